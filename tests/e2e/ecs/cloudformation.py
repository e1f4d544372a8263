"""The shim for CloudFormation: moto's API in front, an engine of our own behind it.

moto itself knows some of the resources only, keeps some of their properties, and updates what the text of a template says
differently, not what it resolves to. Here each resource is made, changed and deleted by calls of the AWS API (`kinds`), in
the order of their references. `install` puts the engine into moto.
"""
import collections.abc

from . import intrinsics, kinds, templates


class Made:
    """A resource that exists."""

    def __init__(self, logical_id, kind, properties, reference, attributes=None):
        self.logical_resource_id, self.kind, self.properties = logical_id, kind, properties
        self.reference, self.attributes = reference, attributes or {}
        self.cf_resource_type = self.type = kind

    @property
    def physical_resource_id(self):
        return self.reference

    @property
    def status(self):
        return "CREATE_COMPLETE"


class Engine(collections.abc.Mapping):
    """The resources of one stack. Takes the place of moto's ResourceMap."""

    aws = None  # kinds.Aws, set by install()

    def __init__(self, stack_id, stack_name, parameters, tags, region_name, account_id, template, cross_stack_resources):
        self.stack_name, self.input_parameters = stack_name, parameters or {}
        self.pseudo = {"AWS::AccountId": account_id, "AWS::Region": region_name, "AWS::StackId": stack_id, "AWS::StackName": stack_name,
                       "AWS::URLSuffix": "amazonaws.com", "AWS::Partition": "aws", "AWS::NotificationARNs": []}
        self.template, self.made, self.scope = template, {}, None
        self.resolved_parameters, self.no_echo_parameter_keys = {}, []

    # Mapping, as moto reads it
    def __getitem__(self, name):
        return self.made[name]

    def __iter__(self):
        return iter(self.made)

    def __len__(self):
        return len(self.made)

    def load(self):
        self.resolved_parameters = self._parameters(self.template)
        self.scope = intrinsics.Scope(self.template, self.resolved_parameters, self.pseudo, self.aws.exports(), self.aws.zones)
        self.scope.resources = self.made
        for name, rule in self.template.get("Rules", {}).items():
            if "RuleCondition" in rule and not self.scope.evaluate(rule["RuleCondition"]):
                continue
            for assertion in rule["Assertions"]:
                if not self.scope.evaluate(assertion["Assert"]):
                    raise intrinsics.TemplateError(f"rule {name}: {assertion.get('AssertDescription', 'is not kept')}")

    def creation_complete(self):
        return True

    def create(self, template):
        self.template = template
        self.load()
        self._apply()
        return True

    def update(self, template, parameters=None):
        self.template = template
        if parameters:
            self.input_parameters = parameters
        self.load()
        self._apply()

    def delete(self):
        for made in reversed(list(self.made.values())):
            self._delete(made)

    def build_change_set_actions(self, template):
        new = template.get("Resources", {})
        def entry(name, kind):
            return {"LogicalResourceId": name, "ResourceType": kind}
        return {"Add": {name: entry(name, given["Type"]) for name, given in new.items() if name not in self.made},
                "Modify": {name: entry(name, given["Type"]) for name, given in new.items() if name in self.made},
                "Remove": {name: entry(name, made.kind) for name, made in self.made.items() if name not in new}}

    def _parameters(self, template):
        values = {}
        for name, declared in template.get("Parameters", {}).items():
            value = self.input_parameters.get(name, declared.get("Default"))
            if value is None:
                raise intrinsics.TemplateError(f"parameter {name} needs a value")
            allowed = declared.get("AllowedValues")
            if allowed and str(value) not in map(str, allowed):
                raise intrinsics.TemplateError(f"parameter {name} may not be {value!r}")
            if declared["Type"].startswith("List<") or declared["Type"] == "CommaDelimitedList":
                value = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
            values[name] = value
        unknown = set(self.input_parameters) - set(values)
        if unknown and template:  # the stack of a change set begins without a template
            raise intrinsics.TemplateError(f"the template has no parameters {', '.join(sorted(unknown))}")
        return values

    def _wanted(self):
        """Logical name → its JSON, without what a condition leaves out; every name after those that it refers to."""
        wanted = {name: given for name, given in self.template.get("Resources", {}).items()
                  if "Condition" not in given or self.scope.condition(given["Condition"])}
        order, seen = [], set()

        def visit(name, way):
            if name in way:
                raise intrinsics.TemplateError(f"resources refer to each other in a circle: {' → '.join((*way, name))}")
            if name in seen or name not in wanted:
                return
            for needed in sorted(self._needs(wanted[name])):
                visit(needed, (*way, name))
            seen.add(name)
            order.append(name)
        for name in wanted:
            visit(name, ())
        return {name: wanted[name] for name in order}

    @staticmethod
    def _needs(given):
        depends = given.get("DependsOn", [])
        return intrinsics.references(given.get("Properties", {})) | set([depends] if isinstance(depends, str) else depends)

    def _apply(self):
        wanted = self._wanted()
        replaced = []
        for name, given in wanted.items():
            before = self.made.get(name)
            context = kinds.Context(self.aws, self.stack_name, name)
            try:
                kind = kinds.of(given["Type"])
                properties = intrinsics.fill_in_secrets(self.scope.resolve(given.get("Properties", {})), self.aws.read_secret)
                if before is None:
                    made = kind.create(context, properties)
                elif before.properties == properties:
                    continue
                else:
                    made = kind.update(context, before, properties)
                    if made is None:  # cannot be changed: a new one takes its place, the old one goes at the end
                        made = kind.create(context, properties)
                        replaced.append(before)
            except Exception as problem:
                raise intrinsics.TemplateError(f"{name} ({given['Type']}): {problem}") from problem
            reference, attributes = made
            new = Made(name, given["Type"], properties, reference, attributes)
            new.retain = given.get("DeletionPolicy") == "Retain"
            self.made[name] = new
        for old in reversed(replaced):
            self._delete_one(old)
        for name in [name for name in self.made if name not in wanted]:
            self._delete(self.made[name])

    def _delete(self, made):
        if not getattr(made, "retain", False):
            self._delete_one(made)
        self.made.pop(made.logical_resource_id, None)

    def _delete_one(self, made):
        try:
            kinds.of(made.kind).delete(kinds.Context(self.aws, self.stack_name, made.logical_resource_id), made)
        except Exception as problem:
            raise intrinsics.TemplateError(f"{made.logical_resource_id} ({made.kind}) cannot be deleted: {problem}") from problem


class Outputs(collections.abc.Mapping):
    """Takes the place of moto's OutputMap."""

    def __init__(self, resources, template, stack_id):
        self._engine, self._template, self._stack_id = resources, template, stack_id

    def _declared(self):
        return {name: given for name, given in (self._template.get("Outputs") or {}).items()
                if "Condition" not in given or self._engine.scope.condition(given["Condition"])}

    def __getitem__(self, name):
        from moto.cloudformation.parsing import Output
        given = self._declared()[name]
        return Output(name, str(self._engine.scope.resolve(given["Value"])), given.get("Description"))

    def __iter__(self):
        return iter(self._declared())

    def __len__(self):
        return len(self._declared())

    @property
    def exports(self):
        from moto.cloudformation.parsing import Export
        return [Export(self._stack_id, self._engine.scope.resolve(given["Export"]["Name"]), self[name].value)
                for name, given in self._declared().items() if "Export" in given]


def install(aws):
    """From now on moto's CloudFormation works with this engine."""
    from moto.cloudformation import exceptions, models
    Engine.aws = aws
    models.ResourceMap, models.OutputMap = Engine, Outputs
    models.Stack.parse_template = staticmethod(templates.load)  # moto's own loses what is below a short form

    def parse(self):
        self.template_dict = templates.load(self.template)
    models.ChangeSet._parse_template = parse

    def told(method):
        """What went wrong, as CloudFormation's own error."""
        def called(self, *args, **kwargs):
            try:
                return method(self, *args, **kwargs)
            except intrinsics.TemplateError as problem:
                raise exceptions.ValidationError(message=str(problem)) from problem
        return called

    backend = models.CloudFormationBackend

    def publish(self, stack):
        for export in stack.exports:
            other = self.exports.get(export.name)
            if other and other.exporting_stack_id != stack.stack_id:
                raise intrinsics.TemplateError(f"the export {export.name} belongs to another stack")
            self.exports[export.name] = export

    def create_stack(self, name, template, parameters, notification_arns=None, tags=None, role_arn=None,
                     enable_termination_protection=False, timeout_in_mins=None, stack_policy_body=None):
        """moto works out the exports before the resources are there. And: what fails leaves nothing behind."""
        if name in [stack.name for stack in self.stacks.values()]:
            raise exceptions.AlreadyExistsException(f"Stack {name} already exists")
        stack = models.Stack(models.generate_stack_id(name, self.region_name, self.account_id), name, template, parameters,
                             self.account_id, self.region_name, notification_arns, tags, role_arn)
        try:
            stack.create_resources()
            publish(self, stack)
        except Exception:
            stack.resource_map.delete()
            raise
        self.stacks[stack.stack_id] = stack
        return stack
    backend.create_stack = told(create_stack)

    execute = backend.execute_change_set

    def execute_change_set(self, change_set_name, stack_name=None):
        """moto forgets outputs and exports of a stack that came by a change set (`aws cloudformation deploy`)."""
        change_set = self.describe_change_set(change_set_name)
        execute(self, change_set_name, stack_name)
        stack = self.stacks[change_set.stack_id]
        stack._parse_template()
        stack.output_map = stack._create_output_map()
        publish(self, stack)
    backend.execute_change_set = told(execute_change_set)

    update = backend.update_stack

    def update_stack(self, *args, **kwargs):
        stack = update(self, *args, **kwargs)
        publish(self, stack)
        return stack
    backend.update_stack = told(update_stack)

    delete = backend.delete_stack

    def delete_stack(self, name_or_stack_id):
        """What others import cannot be deleted."""
        for stack in list(self.stacks.values()):
            if name_or_stack_id in (stack.name, stack.stack_id):
                imported = [other.name for other in self.stacks.values() if other is not stack and
                            other.resource_map.scope.imports & {export.name for export in stack.exports}]
                if imported:
                    raise intrinsics.TemplateError(f"exports of {stack.name} are in use by {', '.join(imported)}")
        delete(self, name_or_stack_id)
    backend.delete_stack = told(delete_stack)
