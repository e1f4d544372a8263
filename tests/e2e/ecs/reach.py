"""Which services of AWS a task reaches, and how: by the routes of its subnet, or by the endpoints of its VPC. Read through the API."""


class Reach:
    def __init__(self, aws):
        self.ec2, self.region = aws.client("ec2"), aws.region

    def with_way_out(self, subnets):
        """Which of these subnets (ids) have a default route, through a NAT gateway or an internet gateway."""
        if not subnets:
            return set()
        tables = self.ec2.describe_route_tables()["RouteTables"]
        own = {each["SubnetId"]: table for table in tables for each in table["Associations"] if each.get("SubnetId")}
        main = {table["VpcId"]: table for table in tables if any(each.get("Main") for each in table["Associations"])}
        found = set()
        for subnet in self.ec2.describe_subnets(SubnetIds=sorted(subnets))["Subnets"]:
            table = own.get(subnet["SubnetId"]) or main[subnet["VpcId"]]
            if any(route.get("DestinationCidrBlock") == "0.0.0.0/0" and (route.get("NatGatewayId") or route.get("GatewayId")) for route in table["Routes"]):
                found.add(subnet["SubnetId"])
        return found

    def endpoints(self):
        """{service: endpoint} of what VPCs have, by the last words of the services' names: "sts", "ecr.api"."""
        found = {}
        for endpoint in self.ec2.describe_vpc_endpoints()["VpcEndpoints"]:
            if endpoint["State"].lower() != "available":
                continue
            name = endpoint["ServiceName"].removeprefix("com.amazonaws.").removeprefix(self.region + ".")
            found[name] = endpoint
        return found

    def names(self):
        """The host names that lead to an endpoint inside the VPC, as its private DNS has them."""
        return sorted(name for service, endpoint in self.endpoints().items()
                      if endpoint["VpcEndpointType"] == "Interface" and endpoint.get("PrivateDnsEnabled")
                      for name in (f"{service}.amazonaws.com", f"{service}.{self.region}.amazonaws.com"))

    def groups(self):
        """The security groups of the endpoints."""
        return sorted({group["GroupId"] for endpoint in self.endpoints().values() for group in endpoint.get("Groups", [])})

    def missing(self, subnet, image, needs):
        """What the start of a task fails of, in words; None: nothing. `needs` are services that the machinery of ECS asks from the
        task's own subnet."""
        if subnet is None or self.with_way_out([subnet]):
            return None
        if ".dkr.ecr." not in image:
            return f"CannotPullContainerError: the subnet has no way to the registry of {image}"
        gone = sorted({"ecr.api", "ecr.dkr", "s3", *needs} - set(self.endpoints()))
        return f"ResourceInitializationError: the subnet has no way to {', '.join(gone)}" if gone else None
