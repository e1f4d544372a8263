"""Security groups and routes: what the API says of them, as rules of nftables in each namespace. What groups do not allow does not
come in; from a subnet without a way out AWS is reached through endpoints of the VPC alone."""
import ipaddress
import subprocess

import lab


class Firewall:
    """Places without a group take everything, as a network load balancer without one does. Only incoming rules count here."""

    def __init__(self, aws, network, reach):
        self.aws, self.network, self.reach, self._shown = aws, network, reach, {}

    def refresh(self):
        if not any(place.groups for place in self.network.places):
            return
        groups = {group["GroupId"]: group["IpPermissions"] for group in self.aws.client("ec2").describe_security_groups()["SecurityGroups"]}
        places = list(self.network.places)
        way_out = self.reach.with_way_out({place.subnet for place in places} - {None}) | {None}
        endpoints = [rule for group in self.reach.groups() for rule in groups.get(group, [])]
        for place in places:
            if not place.groups:
                continue
            rules = self._rules([rule for group in place.groups for rule in groups.get(group, [])], places)
            closed = self._closed(place, place.subnet in way_out, endpoints)
            if self._shown.get(place) != (rules, closed):
                self._apply(place, rules, closed)
                self._shown[place] = (rules, closed)
        self._shown = {place: rules for place, rules in self._shown.items() if place in places}

    def _rules(self, permissions, places):
        rules = []
        for permission in permissions:
            sources = [entry["CidrIp"] for entry in permission.get("IpRanges", [])]
            for pair in permission.get("UserIdGroupPairs", []):
                sources += [place.address for place in places if pair["GroupId"] in place.groups]
            if not sources:
                continue
            match = f"ip saddr {{ {', '.join(sorted(set(sources)))} }}"
            if permission["IpProtocol"] in ("tcp", "udp"):
                match += f" {permission['IpProtocol']} dport {permission['FromPort']}-{permission['ToPort']}"
            rules.append(match + " accept")
        return sorted(set(rules))

    def _closed(self, place, has_way_out, endpoints):
        """Which of AWS's two addresses are closed to the place."""
        closed = [] if has_way_out else [self.network.aws]
        lets_in = any(rule["IpProtocol"] == "-1" or rule.get("FromPort", 0) <= 443 <= rule.get("ToPort", 0) for rule in endpoints
                      if any(ipaddress.ip_address(place.address) in ipaddress.ip_network(each["CidrIp"]) for each in rule.get("IpRanges", []))
                      or any(pair["GroupId"] in place.groups for pair in rule.get("UserIdGroupPairs", [])))
        return closed + ([] if lets_in else [self.network.endpoints])

    @staticmethod
    def _apply(place, rules, closed):
        text = f"""table inet groups
delete table inet groups
table inet groups {{
  chain incoming {{
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
    icmp type echo-request accept
    {chr(10).join(rules)}
  }}
  chain outgoing {{
    type filter hook output priority 0;
    {chr(10).join(f"ip daddr {address} drop" for address in closed)}
  }}
}}
"""
        done = subprocess.run(["ip", "netns", "exec", place.namespace, "nft", "-f", "-"], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise lab.Failure(f"nft: {done.stderr.strip()}")
