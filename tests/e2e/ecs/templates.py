"""Reads a template: YAML with CloudFormation's short forms, or JSON."""
import yaml


class _Loader(yaml.SafeLoader):
    """Dates stay text: "2012-10-17" is a version."""


_Loader.yaml_implicit_resolvers = {first: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"]
                                   for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def _short_form(loader, suffix, node):
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def load(text):
    return yaml.load(text, Loader=_Loader)
