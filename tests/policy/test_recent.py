from fleeting.policy.recent import Recent


def test_what_was_put_is_found():
    cache = Recent(2)
    assert cache.put("a", 1) == 1
    assert cache.get("a") == 1
    assert cache.get("b") is None


def test_a_flood_of_keys_does_not_grow_it():
    cache = Recent(10)
    for number in range(1000):
        cache.put(number, number)
    assert len(cache) <= 20


def test_what_is_used_survives_a_flood():
    cache = Recent(10)
    cache.put("used", 1)
    for number in range(1000):
        cache.put(number, number)
        assert cache.get("used") == 1


def test_what_is_not_used_is_dropped():
    cache = Recent(2)
    for number in range(6):
        cache.put(number, number)
    assert cache.get(0) is None
