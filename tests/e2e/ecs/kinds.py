"""Kinds of CloudFormation resources: how each is made, changed and deleted through the AWS API.

`create` and `update` answer (what Ref gives, {attribute: what Fn::GetAtt gives}); `update` answers None when the resource has
to be replaced, which is what it does unless a kind says otherwise.
"""
import json
import secrets
import string

import botocore

from . import shapes

_kinds = {}


class Context:
    """For whom a resource is made."""

    def __init__(self, aws, stack, logical_id):
        self.aws, self.stack, self.logical_id = aws, stack, logical_id

    def name(self, limit=64, lower=False):
        """A name of its own, as CloudFormation makes one."""
        suffix = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))
        name = f"{self.stack}-{self.logical_id}"[:limit - 13] + "-" + suffix
        return name.lower() if lower else name

    def call(self, service, operation, properties):
        """The API call, its parameters made of properties by their names."""
        client = self.aws.client(service)
        return getattr(client, botocore.xform_name(operation))(**shapes.fit(client, operation, properties))


class Kind:
    def create(self, context, given):
        raise NotImplementedError

    def update(self, context, made, given):
        return None

    def delete(self, context, made):
        pass


def kind(name):
    def register(cls):
        _kinds[name] = cls()
        return cls
    return register


def of(name):
    if name not in _kinds:
        raise shapes.UnknownProperty(f"resources of type {name} are not known here")
    return _kinds[name]


def known():
    return sorted(_kinds)


def tags_of(given, resource_type=None):
    tags = given.pop("Tags", None)
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags}]} if tags else {}


# --- EC2 -----------------------------------------------------------------------------------------------------------

@kind("AWS::EC2::VPC")
class Vpc(Kind):
    def create(self, context, given):
        given = dict(given)
        names, support = given.pop("EnableDnsHostnames", False), given.pop("EnableDnsSupport", True)
        vpc = context.call("ec2", "CreateVpc", {**tags_of(given, "vpc"), **given})["Vpc"]["VpcId"]
        for attribute, value in (("EnableDnsSupport", support), ("EnableDnsHostnames", names)):
            context.call("ec2", "ModifyVpcAttribute", {"VpcId": vpc, attribute: {"Value": value}})
        return vpc, {"VpcId": vpc, "CidrBlock": given["CidrBlock"]}

    def delete(self, context, made):
        context.aws.client("ec2").delete_vpc(VpcId=made.reference)


@kind("AWS::EC2::Subnet")
class Subnet(Kind):
    def create(self, context, given):
        given = dict(given)
        public = given.pop("MapPublicIpOnLaunch", False)
        subnet = context.call("ec2", "CreateSubnet", {**tags_of(given, "subnet"), **given})["Subnet"]
        context.call("ec2", "ModifySubnetAttribute", {"SubnetId": subnet["SubnetId"], "MapPublicIpOnLaunch": {"Value": public}})
        return subnet["SubnetId"], {"SubnetId": subnet["SubnetId"], "AvailabilityZone": subnet["AvailabilityZone"], "CidrBlock": given["CidrBlock"]}

    def delete(self, context, made):
        context.aws.client("ec2").delete_subnet(SubnetId=made.reference)


@kind("AWS::EC2::InternetGateway")
class InternetGateway(Kind):
    def create(self, context, given):
        gateway = context.call("ec2", "CreateInternetGateway", tags_of(dict(given), "internet-gateway"))["InternetGateway"]["InternetGatewayId"]
        return gateway, {"InternetGatewayId": gateway}

    def delete(self, context, made):
        context.aws.client("ec2").delete_internet_gateway(InternetGatewayId=made.reference)


@kind("AWS::EC2::VPCGatewayAttachment")
class GatewayAttachment(Kind):
    def create(self, context, given):
        context.call("ec2", "AttachInternetGateway", given)
        return f"{given['InternetGatewayId']}|{given['VpcId']}", {}

    def delete(self, context, made):
        context.call("ec2", "DetachInternetGateway", made.properties)


@kind("AWS::EC2::RouteTable")
class RouteTable(Kind):
    def create(self, context, given):
        given = dict(given)
        table = context.call("ec2", "CreateRouteTable", {**tags_of(given, "route-table"), **given})["RouteTable"]["RouteTableId"]
        return table, {"RouteTableId": table}

    def delete(self, context, made):
        context.aws.client("ec2").delete_route_table(RouteTableId=made.reference)


@kind("AWS::EC2::Route")
class Route(Kind):
    def create(self, context, given):
        context.call("ec2", "CreateRoute", given)
        return f"{given['RouteTableId']}|{given['DestinationCidrBlock']}", {}

    def delete(self, context, made):
        context.aws.client("ec2").delete_route(RouteTableId=made.properties["RouteTableId"], DestinationCidrBlock=made.properties["DestinationCidrBlock"])


@kind("AWS::EC2::SubnetRouteTableAssociation")
class RouteTableAssociation(Kind):
    def create(self, context, given):
        return context.call("ec2", "AssociateRouteTable", given)["AssociationId"], {}

    def delete(self, context, made):
        context.aws.client("ec2").disassociate_route_table(AssociationId=made.reference)


@kind("AWS::EC2::EIP")
class Address(Kind):
    def create(self, context, given):
        given = dict(given)
        address = context.call("ec2", "AllocateAddress", {**tags_of(given, "elastic-ip"), **given})
        return address["PublicIp"], {"AllocationId": address["AllocationId"], "PublicIp": address["PublicIp"]}

    def delete(self, context, made):
        context.aws.client("ec2").release_address(AllocationId=made.attributes["AllocationId"])


@kind("AWS::EC2::NatGateway")
class NatGateway(Kind):
    def create(self, context, given):
        given = dict(given)
        gateway = context.call("ec2", "CreateNatGateway", {**tags_of(given, "natgateway"), **given})["NatGateway"]["NatGatewayId"]
        return gateway, {"NatGatewayId": gateway}

    def delete(self, context, made):
        context.aws.client("ec2").delete_nat_gateway(NatGatewayId=made.reference)


@kind("AWS::EC2::VPCEndpoint")
class VpcEndpoint(Kind):
    def create(self, context, given):
        given = dict(given)
        if isinstance(given.get("PolicyDocument"), dict):
            given["PolicyDocument"] = json.dumps(given["PolicyDocument"], default=str)
        endpoint = context.call("ec2", "CreateVpcEndpoint", {**tags_of(given, "vpc-endpoint"), **given})["VpcEndpoint"]["VpcEndpointId"]
        return endpoint, {"Id": endpoint}

    def delete(self, context, made):
        context.aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[made.reference])


def permission(rule, peer_group):
    """A rule as templates write it → as the API takes it."""
    out = {"IpProtocol": str(rule["IpProtocol"])}
    for port in ("FromPort", "ToPort"):
        if port in rule:
            out[port] = int(rule[port])
    text = {"Description": rule["Description"]} if "Description" in rule else {}
    if "CidrIp" in rule:
        out["IpRanges"] = [{"CidrIp": rule["CidrIp"], **text}]
    if rule.get(peer_group):
        out["UserIdGroupPairs"] = [{"GroupId": rule[peer_group], **text}]
    if rule.get("SourcePrefixListId") or rule.get("DestinationPrefixListId"):
        out["PrefixListIds"] = [{"PrefixListId": rule.get("SourcePrefixListId") or rule["DestinationPrefixListId"], **text}]
    return out


@kind("AWS::EC2::SecurityGroup")
class SecurityGroup(Kind):
    def create(self, context, given):
        given = dict(given)
        incoming, outgoing = given.pop("SecurityGroupIngress", []), given.pop("SecurityGroupEgress", None)
        given["Description"] = given.pop("GroupDescription")
        given.setdefault("GroupName", context.name(255))
        client = context.aws.client("ec2")
        group = context.call("ec2", "CreateSecurityGroup", {**tags_of(given, "security-group"), **given})["GroupId"]
        if incoming:
            client.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission(rule, "SourceSecurityGroupId") for rule in incoming])
        if outgoing is not None:
            client.revoke_security_group_egress(GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
            client.authorize_security_group_egress(GroupId=group, IpPermissions=[permission(rule, "DestinationSecurityGroupId") for rule in outgoing])
        return group, {"GroupId": group, "VpcId": given.get("VpcId")}

    def delete(self, context, made):
        context.aws.client("ec2").delete_security_group(GroupId=made.reference)


@kind("AWS::EC2::SecurityGroupIngress")
class SecurityGroupIngress(Kind):
    def create(self, context, given):
        context.aws.client("ec2").authorize_security_group_ingress(GroupId=given["GroupId"], IpPermissions=[permission(given, "SourceSecurityGroupId")])
        return context.name(), {}

    def delete(self, context, made):
        context.aws.client("ec2").revoke_security_group_ingress(
            GroupId=made.properties["GroupId"], IpPermissions=[permission(made.properties, "SourceSecurityGroupId")])


@kind("AWS::EC2::SecurityGroupEgress")
class SecurityGroupEgress(Kind):
    def create(self, context, given):
        context.aws.client("ec2").authorize_security_group_egress(GroupId=given["GroupId"], IpPermissions=[permission(given, "DestinationSecurityGroupId")])
        return context.name(), {}

    def delete(self, context, made):
        context.aws.client("ec2").revoke_security_group_egress(
            GroupId=made.properties["GroupId"], IpPermissions=[permission(made.properties, "DestinationSecurityGroupId")])


# --- load balancers ------------------------------------------------------------------------------------------------

@kind("AWS::ElasticLoadBalancingV2::LoadBalancer")
class LoadBalancer(Kind):
    def create(self, context, given):
        given = dict(given)
        given.pop("LoadBalancerAttributes", None)
        given.setdefault("Name", context.name(32))
        balancer = context.call("elbv2", "CreateLoadBalancer", given)["LoadBalancers"][0]
        arn = balancer["LoadBalancerArn"]
        return arn, {"DNSName": balancer["DNSName"], "LoadBalancerArn": arn, "CanonicalHostedZoneID": balancer["CanonicalHostedZoneId"],
                     "LoadBalancerName": given["Name"], "LoadBalancerFullName": arn.split(":loadbalancer/")[1]}

    def delete(self, context, made):
        context.aws.client("elbv2").delete_load_balancer(LoadBalancerArn=made.reference)


@kind("AWS::ElasticLoadBalancingV2::TargetGroup")
class TargetGroup(Kind):
    def create(self, context, given):
        given = dict(given)
        attributes = given.pop("TargetGroupAttributes", None)
        given.setdefault("Name", context.name(32))
        group = context.call("elbv2", "CreateTargetGroup", given)["TargetGroups"][0]["TargetGroupArn"]
        if attributes:
            context.call("elbv2", "ModifyTargetGroupAttributes", {"TargetGroupArn": group, "Attributes": attributes})
        return group, {"TargetGroupArn": group, "TargetGroupName": given["Name"], "TargetGroupFullName": group.rsplit(":", 1)[1]}

    def delete(self, context, made):
        context.aws.client("elbv2").delete_target_group(TargetGroupArn=made.reference)


@kind("AWS::ElasticLoadBalancingV2::Listener")
class Listener(Kind):
    def create(self, context, given):
        given = dict(given)
        actions = []
        for action in given.pop("DefaultActions"):
            groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
            if len(groups) == 1:  # what moto understands, and means the same
                action = {"Type": "forward", "TargetGroupArn": groups[0]["TargetGroupArn"]}
            actions.append(action)
        listener = context.call("elbv2", "CreateListener", {**given, "DefaultActions": actions})["Listeners"][0]["ListenerArn"]
        return listener, {"ListenerArn": listener}

    def delete(self, context, made):
        context.aws.client("elbv2").delete_listener(ListenerArn=made.reference)


# --- ECS -----------------------------------------------------------------------------------------------------------

@kind("AWS::ECS::Cluster")
class Cluster(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("ClusterName", context.name(255))
        given["Settings"] = given.pop("ClusterSettings", [])
        cluster = context.call("ecs", "CreateCluster", given)["cluster"]
        return given["ClusterName"], {"Arn": cluster["clusterArn"]}

    def delete(self, context, made):
        context.aws.client("ecs").delete_cluster(cluster=made.reference)


@kind("AWS::ECS::TaskDefinition")
class TaskDefinition(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("Family", f"{context.stack}-{context.logical_id}")
        arn = context.call("ecs", "RegisterTaskDefinition", given)["taskDefinition"]["taskDefinitionArn"]
        return arn, {"TaskDefinitionArn": arn}

    def delete(self, context, made):
        context.aws.client("ecs").deregister_task_definition(taskDefinition=made.reference)


@kind("AWS::ECS::Service")
class Service(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("ServiceName", context.name(255))
        given.setdefault("DesiredCount", 1)
        service = context.call("ecs", "CreateService", given)["service"]
        return service["serviceArn"], {"Name": service["serviceName"], "ServiceArn": service["serviceArn"]}

    def update(self, context, made, given):
        fixed = ("Cluster", "ServiceName", "LaunchType", "Role", "SchedulingStrategy")
        if any(made.properties.get(name) != given.get(name) for name in fixed):
            return None
        changed = {name: value for name, value in given.items() if value != made.properties.get(name) and name != "Tags"}
        context.call("ecs", "UpdateService", {"Cluster": given["Cluster"], "Service": made.attributes["Name"], **changed})
        return made.reference, made.attributes

    def delete(self, context, made):
        client = context.aws.client("ecs")
        cluster, name = made.properties["Cluster"], made.attributes["Name"]
        client.update_service(cluster=cluster, service=name, desiredCount=0)
        context.aws.wait_until_stopped(cluster, name)
        client.delete_service(cluster=cluster, service=name, force=True)
        context.aws.forget_service(cluster, name)


# --- IAM -----------------------------------------------------------------------------------------------------------

def document(value):
    """As JSON. shim: IAM takes a document without a version (it means the old one), moto refuses it."""
    parsed = json.loads(value) if isinstance(value, str) else value
    return json.dumps({"Version": "2012-10-17", **parsed}, default=str)


@kind("AWS::IAM::Role")
class Role(Kind):
    def create(self, context, given):
        given = dict(given)
        policies, managed = given.pop("Policies", []), given.pop("ManagedPolicyArns", [])
        given.setdefault("RoleName", context.name(64))
        given["AssumeRolePolicyDocument"] = document(given["AssumeRolePolicyDocument"])
        role = context.call("iam", "CreateRole", given)["Role"]
        self._put(context, given["RoleName"], policies, managed)
        return given["RoleName"], {"Arn": role["Arn"], "RoleId": role["RoleId"]}

    @staticmethod
    def _put(context, name, policies, managed):
        client = context.aws.client("iam")
        for policy in policies:
            client.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document(policy["PolicyDocument"]))
        for arn in managed:
            context.aws.know_managed_policy(arn)
            client.attach_role_policy(RoleName=name, PolicyArn=arn)

    def update(self, context, made, given):
        if any(made.properties.get(name) != given.get(name) for name in ("RoleName", "Path")):
            return None
        client, name = context.aws.client("iam"), made.reference
        self._clear(client, name)
        self._put(context, name, given.get("Policies", []), given.get("ManagedPolicyArns", []))
        client.update_assume_role_policy(RoleName=name, PolicyDocument=document(given["AssumeRolePolicyDocument"]))
        client.untag_role(RoleName=name, TagKeys=[tag["Key"] for tag in made.properties.get("Tags", [])])
        client.tag_role(RoleName=name, Tags=given.get("Tags", []))
        return made.reference, made.attributes

    @staticmethod
    def _clear(client, name):
        for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
            client.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            client.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])

    def delete(self, context, made):
        client = context.aws.client("iam")
        self._clear(client, made.reference)
        client.delete_role(RoleName=made.reference)


# --- names ---------------------------------------------------------------------------------------------------------

@kind("AWS::ServiceDiscovery::PrivateDnsNamespace")
class PrivateDnsNamespace(Kind):
    def create(self, context, given):
        client = context.aws.client("servicediscovery")
        done = client.get_operation(OperationId=context.call("servicediscovery", "CreatePrivateDnsNamespace", given)["OperationId"])
        namespace = client.get_namespace(Id=done["Operation"]["Targets"]["NAMESPACE"])["Namespace"]
        return namespace["Id"], {"Id": namespace["Id"], "Arn": namespace["Arn"]}

    def delete(self, context, made):
        client = context.aws.client("servicediscovery")
        zone = client.get_namespace(Id=made.reference)["Namespace"]["Properties"]["DnsProperties"]["HostedZoneId"]
        client.delete_namespace(Id=made.reference)
        context.aws.client("route53").delete_hosted_zone(Id=zone)  # shim: moto leaves it


@kind("AWS::ServiceDiscovery::Service")
class DiscoveryService(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("Name", context.name(63, lower=True))
        service = context.call("servicediscovery", "CreateService", given)["Service"]
        return service["Id"], {"Arn": service["Arn"], "Id": service["Id"], "Name": service["Name"]}

    def delete(self, context, made):
        client = context.aws.client("servicediscovery")
        if left := client.list_instances(ServiceId=made.reference)["Instances"]:
            raise RuntimeError(f"still has instances: {[instance['Id'] for instance in left]}")
        client.delete_service(Id=made.reference)


@kind("AWS::Route53::HostedZone")
class HostedZone(Kind):
    def create(self, context, given):
        given = dict(given)
        vpcs = given.pop("VPCs", [])
        request = {"Name": given["Name"], "CallerReference": context.name(),
                   "HostedZoneConfig": {**given.get("HostedZoneConfig", {}), "PrivateZone": bool(vpcs)}}
        if vpcs:
            request["VPC"] = vpcs[0]
        zone = context.call("route53", "CreateHostedZone", request)["HostedZone"]["Id"].rsplit("/", 1)[1]
        return zone, {"Id": zone}

    def delete(self, context, made):
        client = context.aws.client("route53")
        left = [record["Name"] for record in client.list_resource_record_sets(HostedZoneId=made.reference)["ResourceRecordSets"]
                if record["Type"] not in ("NS", "SOA")]
        if left:
            raise RuntimeError(f"the zone still has records: {', '.join(left[:5])}")
        client.delete_hosted_zone(Id=made.reference)


@kind("AWS::Route53::RecordSet")
class RecordSet(Kind):
    def _change(self, context, action, given):
        record = {name: value for name, value in given.items() if name not in ("HostedZoneId", "Comment", "HostedZoneName", "ResourceRecords")}
        if "ResourceRecords" in given:
            record["ResourceRecords"] = [{"Value": value} for value in given["ResourceRecords"]]
        context.call("route53", "ChangeResourceRecordSets", {"HostedZoneId": given["HostedZoneId"], "ChangeBatch": {
            "Changes": [{"Action": action, "ResourceRecordSet": record}]}})

    def create(self, context, given):
        self._change(context, "UPSERT", given)
        return given["Name"], {}

    def delete(self, context, made):
        self._change(context, "DELETE", made.properties)


# --- secrets, databases, logs --------------------------------------------------------------------------------------

@kind("AWS::SecretsManager::Secret")
class Secret(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("Name", context.name(255))
        wish = given.pop("GenerateSecretString", None)
        if wish is not None:
            given["SecretString"] = self._generate(context, dict(wish))
        arn = context.call("secretsmanager", "CreateSecret", given)["ARN"]
        return arn, {"Id": arn}

    @staticmethod
    def _generate(context, wish):
        template, key = wish.pop("SecretStringTemplate", None), wish.pop("GenerateStringKey", None)
        word = context.call("secretsmanager", "GetRandomPassword", wish)["RandomPassword"]
        return word if template is None else json.dumps({**json.loads(template), key: word})

    def update(self, context, made, given):
        if made.properties.get("Name") != given.get("Name") or made.properties.get("GenerateSecretString") != given.get("GenerateSecretString"):
            return None
        if "SecretString" in given:
            context.aws.client("secretsmanager").put_secret_value(SecretId=made.reference, SecretString=given["SecretString"])
        return made.reference, made.attributes

    def delete(self, context, made):
        context.aws.client("secretsmanager").delete_secret(SecretId=made.reference, ForceDeleteWithoutRecovery=True)


@kind("AWS::RDS::DBSubnetGroup")
class DbSubnetGroup(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("DBSubnetGroupName", context.name(255, lower=True))
        context.call("rds", "CreateDBSubnetGroup", given)
        return given["DBSubnetGroupName"], {}

    def delete(self, context, made):
        context.aws.client("rds").delete_db_subnet_group(DBSubnetGroupName=made.reference)


@kind("AWS::RDS::DBParameterGroup")
class DbParameterGroup(Kind):
    def create(self, context, given):
        given = {**given, "DBParameterGroupFamily": given["Family"], "DBParameterGroupName": context.name(255, lower=True)}
        for name in ("Family", "Parameters"):
            given.pop(name, None)
        context.call("rds", "CreateDBParameterGroup", given)
        return given["DBParameterGroupName"], {}

    def delete(self, context, made):
        context.aws.client("rds").delete_db_parameter_group(DBParameterGroupName=made.reference)


@kind("AWS::RDS::DBInstance")
class DbInstance(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("DBInstanceIdentifier", context.name(63, lower=True))
        given["VpcSecurityGroupIds"] = given.pop("VPCSecurityGroups", [])
        given.pop("DeleteAutomatedBackups", None)  # what deleting does
        if "MasterUserPassword" in given:
            context.aws.database_passwords[given["DBInstanceIdentifier"]] = given["MasterUserPassword"]
        database = context.call("rds", "CreateDBInstance", given)["DBInstance"]
        context.aws.wait_until_available(given.get("DBClusterIdentifier") or database["DBInstanceIdentifier"])
        endpoint = context.aws.endpoint_of(database["DBInstanceIdentifier"])
        return given["DBInstanceIdentifier"], {"Endpoint.Address": endpoint["Address"], "Endpoint.Port": str(endpoint["Port"]),
                                               "DBInstanceArn": database["DBInstanceArn"]}

    def delete(self, context, made):
        context.aws.client("rds").delete_db_instance(DBInstanceIdentifier=made.reference, SkipFinalSnapshot=True)


@kind("AWS::RDS::DBCluster")
class DbCluster(Kind):
    def create(self, context, given):
        given = dict(given)
        given.setdefault("DBClusterIdentifier", context.name(63, lower=True))
        context.aws.database_passwords[given["DBClusterIdentifier"]] = given["MasterUserPassword"]
        cluster = context.call("rds", "CreateDBCluster", given)["DBCluster"]
        return given["DBClusterIdentifier"], {"Endpoint.Address": cluster["Endpoint"], "Endpoint.Port": str(cluster.get("Port", 5432)),
                                              "DBClusterArn": cluster["DBClusterArn"]}

    def delete(self, context, made):
        context.aws.client("rds").delete_db_cluster(DBClusterIdentifier=made.reference, SkipFinalSnapshot=True)


@kind("AWS::Logs::LogGroup")
class LogGroup(Kind):
    def create(self, context, given):
        given = dict(given)
        days = given.pop("RetentionInDays", None)
        given.setdefault("LogGroupName", context.name(512))
        context.call("logs", "CreateLogGroup", given)
        if days:
            context.call("logs", "PutRetentionPolicy", {"LogGroupName": given["LogGroupName"], "RetentionInDays": days})
        found = context.aws.client("logs").describe_log_groups(logGroupNamePrefix=given["LogGroupName"])["logGroups"][0]
        return given["LogGroupName"], {"Arn": found["arn"]}

    def delete(self, context, made):
        context.aws.client("logs").delete_log_group(logGroupName=made.reference)
