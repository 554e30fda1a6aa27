from fleeting.policy.reviewing.reviewed import read_policy


def test_a_warning_stands_where_the_policy_does(load):
    policies = load(
        '@id("a") permit(principal, action, resource);  @id("b")\nforbid(principal,'
        " action, resource);\n"
    ).policies
    told = read_policy(policies["b"]).warn("look-alike", "m", at=9)
    assert (told.line, told.column) == (2, 1)
    assert told.policy == "b"
    told = read_policy(policies["b"]).warn("look-alike", "m")
    assert (told.line, told.column) == (1, 48)
    assert read_policy(policies["b"]).place == "`b` (test.cedar:1)"
