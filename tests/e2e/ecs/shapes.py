"""Properties of templates → parameters of the API, by the API's own description in botocore.

CloudFormation and the API name the same things with other letter case, and templates are careless with strings and
numbers. A property that the API does not know is an error: that is how a template with a typing mistake is found.
"""


class UnknownProperty(Exception):
    pass


def fit(client, operation, properties):
    """Parameters for `operation` (as the API spells it) out of `properties`."""
    return _fit(client.meta.service_model.operation_model(operation).input_shape, properties, operation)


def _fit(shape, value, path):
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, dict):
            raise UnknownProperty(f"{path}: must be an object, is {value!r}")
        members = {name.casefold(): name for name in shape.members}
        out = {}
        for key, part in value.items():
            name = members.get(key.casefold())
            if name is None:
                raise UnknownProperty(f"{path}: there is no {key}")
            out[name] = _fit(shape.members[name], part, f"{path}.{name}")
        return out
    if kind == "list":
        return [_fit(shape.member, part, path) for part in (value if isinstance(value, list) else [value])]
    if kind == "map":
        return {str(key): _fit(shape.value, part, path) for key, part in value.items()}
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string":
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value
