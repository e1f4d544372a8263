"""The two ends of a proxy, played: the Envoy that asks for its configuration, and the manager that reports."""
import json

import http2
import plane
from http2 import field, fields

DELTA = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
WHOLE = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
HEALTH = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck"
LIFECYCLE = "/taskmesh.proxy.v1.ProxyLifecycle/Report"

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"


def node(mesh, name, document=None):
    """An Envoy's node; it brings its Dataplane when `document` (a dict or text) is given."""
    brought = {"dataplane.resource": document if isinstance(document, str) else json.dumps(document)} if document is not None else {}
    return field(1, f"{mesh}.{name}") + field(2, "kv") + field(3, http2.struct_of({"dataplane.proxyType": "dataplane", **brought}))


def first_message(path, mesh, name, document=None):
    """How a conversation on that stream begins."""
    if path == LIFECYCLE:
        return field(1, mesh) + field(2, name) + field(3, 1) + field(4, 1)
    if path == HEALTH:
        return field(1, field(1, node(mesh, name, document)))
    if path == WHOLE:
        return field(2, node(mesh, name, document)) + field(4, CLUSTER)
    return field(1, node(mesh, name, document)) + field(2, CLUSTER)


def bootstrap(mesh, name, token, document=None):
    return plane.https("POST", plane.SIDECARS, "/bootstrap", {
        "mesh": mesh, "name": name, "proxyType": "dataplane", "dataplaneToken": token, "host": "localhost",
        "dataplaneResource": document if isinstance(document, str) else json.dumps(document) if document is not None else "",
        "version": {"envoy": {"version": "1.36.0", "kumaDpCompatible": True}}, "features": ["feature-delta-grpc"]},
        {**plane.JSON, "accept": "application/json", "host": "localhost:5678"})


class Envoy:
    """Speaks delta discovery on a connection of its own; holds what it was given, but for what it is told to refuse."""

    def __init__(self, name, token, document, mesh="default"):
        self.connection = http2.Connection(plane.SIDECARS)
        self.stream = self.connection.grpc(DELTA, token)
        self.held, self.refuse, self._node = {}, {}, node(mesh, name, document)
        for type_url in (CLUSTER, LISTENER):
            self.ask(type_url)

    def close(self):
        self.connection.close()

    def ask(self, type_url, names=()):
        self.stream.send_message((field(1, self._node) if self._node else b"") + field(2, type_url)
                                 + b"".join(field(3, name) for name in names))
        self._node = None

    def step(self):
        """Takes one response and answers it. Returns its type."""
        message = self.stream.next_message()
        if message is None:
            raise AssertionError(f"the stream ended: {self.stream.outcome()}")
        response = fields(message)
        type_url, nonce = response[4][0].decode(), response[5][0]
        problem = self.refuse.get(type_url)
        verdict = field(7, field(1, 3) + field(2, problem)) if problem else b""
        new = []
        if not problem:
            held = self.held.setdefault(type_url, {})
            for resource in map(fields, response.get(2, [])):
                name = resource[3][0].decode()
                new += [name] if name not in held else []
                held[name] = fields(resource[2][0])[2][0]
            for name in response.get(6, []):
                held.pop(name.decode(), None)
        self.stream.send_message(field(2, type_url) + field(6, nonce) + verdict)
        if type_url == CLUSTER and new:
            self.ask(ENDPOINTS, new)
        return type_url

    def until(self, condition):
        while not condition():
            self.step()

    def holds(self, type_url):
        return self.held.get(type_url, {})
