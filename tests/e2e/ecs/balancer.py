"""Network load balancers: each listener of the API takes connections at an address of its own and hands them to healthy targets."""
import asyncio
import itertools
import threading

import lab


class Balancer:
    """One load balancer: a namespace, and an event loop of its own in a thread."""

    def __init__(self, network, name, subnet, groups):
        self.place, self.targets, self._servers, self._next = network.add(f"nlb-{name}", subnet, groups), {}, {}, itertools.count()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def set(self, listeners):
        """{port: [(address, port), …]}"""
        self.targets = listeners
        for port in [port for port in self._servers if port not in listeners]:
            self._loop.call_soon_threadsafe(self._servers.pop(port).close)
        for port in listeners:
            if port not in self._servers:
                with lab.inside(self.place.namespace):
                    import socket
                    listener = socket.create_server((self.place.address, port))
                self._servers[port] = asyncio.run_coroutine_threadsafe(
                    asyncio.start_server(lambda reader, writer, port=port: self._serve(port, reader, writer), sock=listener), self._loop).result(5)

    async def _serve(self, port, reader, writer):
        import socket
        for _ in range(max(1, len(self.targets.get(port, [])))):
            targets = self.targets.get(port, [])
            if not targets:
                break
            target = targets[next(self._next) % len(targets)]
            with lab.inside(self.place.namespace):
                out = socket.socket()
            out.setblocking(False)
            try:
                await asyncio.wait_for(self._loop.sock_connect(out, target), 3)
                back_reader, back_writer = await asyncio.open_connection(sock=out)
            except (OSError, asyncio.TimeoutError):
                out.close()
                continue
            await asyncio.gather(self._copy(reader, back_writer), self._copy(back_reader, writer))
            return
        writer.close()

    @staticmethod
    async def _copy(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    def close(self, network):
        for server in self._servers.values():
            self._loop.call_soon_threadsafe(server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        network.remove(self.place)


class Balancers:
    """Keeps balancers as the API describes them."""

    def __init__(self, aws, network, resolver):
        self.aws, self.network, self.resolver, self.running = aws, network, resolver, {}

    def refresh(self):
        client = self.aws.client("elbv2")
        described = {item["LoadBalancerArn"]: item for item in client.describe_load_balancers()["LoadBalancers"] if item["Type"] == "network"}
        for arn in [arn for arn in self.running if arn not in described]:
            name, balancer = self.running.pop(arn)
            self.resolver.own.pop(name, None)
            balancer.close(self.network)
        for arn, item in described.items():
            if arn not in self.running:
                subnets = [zone["SubnetId"] for zone in item["AvailabilityZones"]]
                cidr = self.aws.client("ec2").describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["CidrBlock"]
                balancer = Balancer(self.network, item["LoadBalancerName"], cidr, item.get("SecurityGroups", []))
                self.running[arn] = (item["DNSName"], balancer)
                self.resolver.own[item["DNSName"]] = [balancer.place.address]
            self.running[arn][1].set({listener["Port"]: self._targets(client, listener)
                                      for listener in client.describe_listeners(LoadBalancerArn=arn)["Listeners"]})

    @staticmethod
    def _targets(client, listener):
        health = client.describe_target_health(TargetGroupArn=listener["DefaultActions"][0]["TargetGroupArn"])["TargetHealthDescriptions"]
        return [(each["Target"]["Id"], each["Target"]["Port"]) for each in health if each["TargetHealth"]["State"] == "healthy"]

    def close(self):
        for _, balancer in self.running.values():
            balancer.close(self.network)
        self.running.clear()
