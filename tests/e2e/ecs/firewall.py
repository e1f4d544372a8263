"""Security groups: what the API says of them, as rules of nftables in each namespace. What they do not allow does not come in."""
import subprocess

import lab


class Firewall:
    """Places without a group take everything, as a network load balancer without one does. Only incoming rules count here."""

    def __init__(self, aws, network):
        self.aws, self.network, self._shown = aws, network, {}

    def refresh(self):
        if not any(place.groups for place in self.network.places):
            return
        groups = {group["GroupId"]: group["IpPermissions"] for group in self.aws.client("ec2").describe_security_groups()["SecurityGroups"]}
        places = list(self.network.places)
        for place in places:
            if not place.groups:
                continue
            rules = self._rules([rule for group in place.groups for rule in groups.get(group, [])], places)
            if self._shown.get(place) != rules:
                self._apply(place, rules)
                self._shown[place] = rules
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

    @staticmethod
    def _apply(place, rules):
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
}}
"""
        done = subprocess.run(["ip", "netns", "exec", place.namespace, "nft", "-f", "-"], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise lab.Failure(f"nft: {done.stderr.strip()}")
