"""CloudFormation's functions: a template's node and what it may look things up in → plain values."""
import base64
import ipaddress
import re

_DYNAMIC = re.compile(r"\{\{resolve:secretsmanager:(arn:[^:}]*:[^:}]*:[^:}]*:[^:}]*:secret:[^:}]+|[^:}]+)(?::SecretString)?(?::([^:}]*))?[^}]*\}\}")
NO_VALUE = object()


class TemplateError(Exception):
    """The template asks for something that is not there. The text names it."""


class Scope:
    """What one stack's template can refer to. The engine fills `resources` (logical name → Made) as it goes."""

    def __init__(self, template, parameters, pseudo, exports, zones):
        self.template, self.parameters, self.pseudo, self.exports, self.zones = template, parameters, pseudo, exports, zones
        self.resources, self.imports = {}, set()

    def reference(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        for known in (self.pseudo, self.parameters):
            if name in known:
                return known[name]
        if name in self.resources:
            return self.resources[name].reference
        raise TemplateError(f"Ref: there is no parameter or resource {name}")

    def attribute(self, name, attribute):
        if name not in self.resources:
            raise TemplateError(f"Fn::GetAtt: there is no resource {name}")
        try:
            return self.resources[name].attributes[attribute]
        except KeyError:
            raise TemplateError(f"Fn::GetAtt: {name} has no attribute {attribute}") from None

    def condition(self, name):
        try:
            return self.evaluate(self.template["Conditions"][name])
        except KeyError:
            raise TemplateError(f"there is no condition {name}") from None

    def evaluate(self, node):
        """A condition: true or false."""
        (function, value), = node.items()
        if function in ("Condition", "Fn::Condition"):
            return self.condition(value)
        if function == "Fn::Equals":
            left, right = (self.resolve(part) for part in value)
            return str(left) == str(right)
        results = [self.evaluate(part) for part in value]
        return {"Fn::And": all(results), "Fn::Or": any(results), "Fn::Not": not results[0]}[function]

    def resolve(self, node):
        if isinstance(node, list):
            return [value for value in map(self.resolve, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, value), = node.items()
            if function == "Ref":
                return self.reference(value)
            if function == "Condition" and isinstance(value, str):
                return self.condition(value)
            if function.startswith("Fn::"):
                return self._call(function, value)
        return {key: value for key, value in ((key, self.resolve(value)) for key, value in node.items()) if value is not NO_VALUE}

    def _call(self, function, value):
        if function == "Fn::If":
            return self.resolve(value[1] if self.condition(value[0]) else value[2])
        if function == "Fn::GetAtt":
            name, attribute = value.split(".", 1) if isinstance(value, str) else (value[0], ".".join(map(str, map(self.resolve, value[1:]))))
            return self.attribute(name, attribute)
        if function == "Fn::Sub":
            return self._substitute(value)
        value = self.resolve(value)
        if function == "Fn::Join":
            return str(value[0]).join(map(str, value[1]))
        if function == "Fn::Split":
            return value[1].split(value[0])
        if function == "Fn::Select":
            return value[1][int(value[0])]
        if function == "Fn::FindInMap":
            try:
                return self.resolve(self.template["Mappings"][value[0]][value[1]][value[2]])
            except KeyError as missing:
                raise TemplateError(f"Fn::FindInMap: {missing} is not in the mapping") from None
        if function == "Fn::ImportValue":
            if value not in self.exports:
                raise TemplateError(f"Fn::ImportValue: no stack exports {value}")
            self.imports.add(value)
            return self.exports[value].value
        if function == "Fn::GetAZs":
            return list(self.zones)
        if function == "Fn::Base64":
            return base64.b64encode(value.encode()).decode()
        if function == "Fn::Cidr":
            block, count, bits = ipaddress.ip_network(value[0]), int(value[1]), int(value[2])
            return [str(network) for network, _ in zip(block.subnets(new_prefix=32 - bits), range(count))]
        raise TemplateError(f"{function} is not known")

    def _substitute(self, value):
        text, extra = (value, {}) if isinstance(value, str) else (value[0], {key: self.resolve(given) for key, given in value[1].items()})

        def one(match):
            name = match.group(1).strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in extra:
                return str(extra[name])
            return str(self.attribute(*name.split(".", 1)) if "." in name else self.reference(name))
        return re.sub(r"\$\{([^}]+)\}", one, text)


def references(node):
    """The logical names that a node mentions, whether resources or parameters."""
    if isinstance(node, list):
        return set().union(*map(references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    found = set()
    for key, value in node.items():
        if key == "Ref":
            found.add(value)
        elif key == "Fn::GetAtt":
            found.add(value.split(".", 1)[0] if isinstance(value, str) else value[0])
        elif key == "Fn::Sub":
            text, extra = (value, {}) if isinstance(value, str) else value
            found |= {name.strip().split(".", 1)[0] for name in re.findall(r"\$\{([^!}]+)\}", text)} - set(extra) | references(extra)
        else:
            found |= references(value)
    return found


def fill_in_secrets(value, read_secret):
    """Dynamic references ({{resolve:secretsmanager:…}}) become what the secret holds. `read_secret(arn, key)`."""
    if isinstance(value, dict):
        return {key: fill_in_secrets(part, read_secret) for key, part in value.items()}
    if isinstance(value, list):
        return [fill_in_secrets(part, read_secret) for part in value]
    if isinstance(value, str):
        return _DYNAMIC.sub(lambda match: read_secret(match.group(1), match.group(2)), value)
    return value
