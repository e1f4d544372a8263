"""The VPC's network: one bridge, and a network namespace with an address of its own for each task, database and balancer."""
import ipaddress
import itertools
import pathlib
import subprocess
import threading

import lab

_numbers = itertools.count(1)


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise lab.Failure(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Place:
    """A namespace on the network: its name, its address."""

    def __init__(self, namespace, address, groups, subnet=None):
        self.namespace, self.address, self.groups, self.subnet = namespace, address, tuple(groups), subnet

    @property
    def path(self):
        return f"/run/netns/{self.namespace}"


class Network:
    """AWS reserves the first addresses of a VPC: .1 routes, .2 is DNS; .3 is where AWS itself answers in this box, and needs a
    way out of the subnet; .4 is the same by an endpoint inside the VPC."""

    def __init__(self, vpc="10.0.0.0/16"):
        self.vpc = ipaddress.ip_network(vpc)
        self.router, self.dns, self.aws, self.endpoints = (str(self.vpc[number]) for number in (1, 2, 3, 4))
        own = (self.router, self.dns, self.aws, self.endpoints)
        self._lock, self._taken, self._freed, self.places = threading.Lock(), set(own), [], []
        # A hardware address of its own: a bridge that takes one of its ports' changes it with them, and is lost for a while.
        run("ip", "link", "add", "vpc0", "address", "02:00:0a:00:00:01", "type", "bridge")
        for address in own:
            run("ip", "addr", "add", f"{address}/{self.vpc.prefixlen}", "dev", "vpc0")
        run("ip", "link", "set", "vpc0", "up")

    def add(self, name, subnet=None, groups=(), subnet_id=None):
        """A new place, with a free address of the subnet (a CIDR; nothing: of the VPC), behind security groups. With the subnet's
        id its routes count, too."""
        block = ipaddress.ip_network(subnet) if subnet else self.vpc
        if not block.subnet_of(self.vpc):
            raise lab.Failure(f"the subnet {block} is outside of {self.vpc}, the network of this box")
        with self._lock:
            address = self._free(block)
            self._taken.add(address)
        namespace = f"{next(_numbers)}-{name}"[:40]
        link = f"v{next(_numbers)}"  # never a name again: the kernel takes a link of a gone namespace away later
        run("ip", "netns", "add", namespace)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "link", "set", link, "master", "vpc0", "up")
        for command in (f"addr add {address}/{self.vpc.prefixlen} dev eth0", "link set eth0 up", "link set lo up", f"route add default via {self.router}"):
            run("ip", "-n", namespace, *command.split())
        place = Place(namespace, address, groups, subnet_id)
        with self._lock:
            self.places = [*self.places, place]
        return place

    def _free(self, block):
        """As late as possible one that somebody had before: clients may still know it."""
        for host in block.hosts():
            if str(host) not in self._taken and int(host) - int(block[0]) > 3:
                return str(host)
        for address in self._freed:
            if ipaddress.ip_address(address) in block:
                self._freed.remove(address)
                return address
        raise lab.Failure(f"the subnet {block} has no free address")

    def remove(self, place):
        run("ip", "netns", "del", place.namespace)
        with self._lock:
            self.places = [other for other in self.places if other is not place]
            self._freed.append(place.address)

    def close(self):
        for entry in sorted(pathlib.Path("/run/netns").glob("*")) if pathlib.Path("/run/netns").exists() else []:
            run("ip", "netns", "del", entry.name)
        run("ip", "link", "del", "vpc0")
