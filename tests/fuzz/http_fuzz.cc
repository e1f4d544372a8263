// What strangers may send to our ports, and servers to our clients: HTTP/1.1, HTTP/2 and gRPC framing, without sockets.
// The first byte says who listens (a server by ALPN or by first bytes, or a client), the second how the rest is cut.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wire/grpc_client_session.h"
#include "wire/http1_client.h"
#include "wire/loop_access.h"
#include "wire/server_protocol.h"

using namespace mesh;
using namespace mesh::wire;

namespace {

EventLoop& loop() {
  static EventLoop runs_here(0);
  return runs_here;
}

class Host final : public ProtocolHost {
 public:
  void wake() override {}
  void on_first_request() override {}
  const Strand& strand() const override { return strand_; }
  const std::shared_ptr<const Peer>& peer() const override { return peer_; }

 private:
  Strand strand_ = loop().make_strand();
  std::shared_ptr<const Peer> peer_ = std::make_shared<const Peer>();
};

class Echo final : public GrpcEvents {
 public:
  explicit Echo(std::shared_ptr<GrpcStream> stream) : stream_(std::move(stream)) {}
  void on_message(std::string message) override {
    if (stream_) stream_->send({make_bytes(std::move(message))});
  }
  void on_half_closed() override {
    if (stream_) stream_->finish({0, ""});
  }
  void on_closed(const GrpcStatus&) override {
    if (is_closed_) __builtin_trap();
    is_closed_ = true;
    stream_.reset();
  }

 private:
  std::shared_ptr<GrpcStream> stream_;
  bool is_closed_ = false;
};

std::shared_ptr<const Service> service() {
  static const auto made = [] {
    Service service;
    service.http = [](Request request, Respond respond) {
      Response response;
      for (const auto& [name, value] : request.query) response.headers.add(name, value);
      response.body = std::move(request.body);
      if (request.path != "/forget") respond(std::move(response));
    };
    service.grpc["/s/m"] = [](std::shared_ptr<GrpcStream> stream) { return std::make_unique<Echo>(stream); };
    service.limits.max_body_bytes = 4096;
    service.limits.max_header_bytes = 4096;
    service.limits.max_message_bytes = 4096;
    return std::make_shared<const Service>(std::move(service));
  }();
  return made;
}

std::unique_ptr<Protocol> make_protocol(const std::shared_ptr<Host>& host, unsigned who) {
  switch (who % 5) {
    case 0: return make_server_protocol(*host, host, service(), "");
    case 1: return make_server_protocol(*host, host, service(), "h2");
    case 2: return make_server_protocol(*host, host, service(), "http/1.1");
    case 3: {
      ClientRequest request;
      request.max_response_bytes = 4096;
      return make_http1_client(*host, *ClientUrl::parse("http://host/path"), std::move(request),
                               [](Result<Response>) {});
    }
    default: {
      constexpr Http2Keepalive keepalive{std::chrono::minutes(1), std::chrono::minutes(1)};
      auto session = std::make_unique<GrpcClientSession>(*host, keepalive);
      for (const bool reads : {true, false}) {
        auto stream = std::make_shared<Http2GrpcStream>(host->strand(), Headers(), 4096);
        stream->set_events(std::make_unique<Echo>(stream));
        session->open({"http", "host", "/s/m", {}}, keepalive, stream);
        stream->set_reading(reads);
      }
      return session;
    }
  }
}

void step(Protocol& protocol) {
  run_ready(loop());
  std::string output;
  protocol.take_output(output, 64UL << 10);
  (void)protocol.deadline();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  auto host = std::make_shared<Host>();
  auto protocol = make_protocol(host, data[0]);
  std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
  std::size_t cut = data[1] == 0 ? rest.size() : data[1];
  while (!rest.empty() && !protocol->is_done()) {
    step(*protocol);
    if (!protocol->wants_input()) break;
    std::string part(rest.substr(0, cut));  // a copy of its own, so that reading past it is seen
    rest.remove_prefix(part.size());
    protocol->on_bytes(part);
  }
  step(*protocol);
  protocol->on_end();
  step(*protocol);
  protocol->on_lost(error(ErrorKind::Unavailable, "the end"));
  protocol.reset();
  run_ready(loop());
  return 0;
}
