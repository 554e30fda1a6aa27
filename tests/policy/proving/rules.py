"""Short ways to write policies about payments."""

MAKE = 'action == Action::"pay:make", resource'


def permit(id_, terms="", when="true", who="principal", action=MAKE):
    return f'@id("{id_}") {terms} permit ({who}, {action}) when {{ {when} }};\n'


def forbid(id_, when="true", who="principal", action=MAKE):
    return f'@id("{id_}") forbid ({who}, {action}) when {{ {when} }};\n'
