#include "wire/server_protocol.h"

#include <algorithm>

#include "wire/http1_server.h"
#include "wire/http2_server.h"

namespace mesh::wire {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Looks at the first bytes, then stands in front of the protocol that they belong to.
class FirstBytes final : public Protocol {
 public:
  FirstBytes(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host, std::shared_ptr<const Service> service)
      : host_(host), weak_host_(std::move(weak_host)), service_(std::move(service)), since_(real_clock().steady()) {}

  void on_bytes(std::string_view bytes) override {
    if (chosen_) return chosen_->on_bytes(bytes);
    if (is_over_) return;
    seen_.append(bytes);
    std::size_t compared = std::min(seen_.size(), kPreface.size());
    bool may_be_http2 = kPreface.starts_with(std::string_view(seen_).substr(0, compared));
    if (may_be_http2 && compared < kPreface.size()) return;
    if (may_be_http2) {
      chosen_ = std::make_unique<Http2Server>(host_, weak_host_, service_);
    } else {
      chosen_ = make_http1_server(host_, weak_host_, service_);
    }
    chosen_->on_bytes(std::exchange(seen_, {}));
  }

  void on_end() override { chosen_ ? chosen_->on_end() : end(); }
  void on_lost(const Error& reason) override { chosen_ ? chosen_->on_lost(reason) : end(); }
  void take_output(std::string& out, std::size_t limit) override {
    if (chosen_) chosen_->take_output(out, limit);
  }
  bool wants_input() const override { return chosen_ ? chosen_->wants_input() : true; }
  bool is_done() const override { return chosen_ ? chosen_->is_done() : is_over_; }
  SteadyTime deadline() const override {
    return chosen_ ? chosen_->deadline() : since_ + service_->limits.handshake_timeout;
  }
  void on_deadline(SteadyTime now) override { chosen_ ? chosen_->on_deadline(now) : end(); }
  Duration write_timeout() const override {
    return chosen_ ? chosen_->write_timeout() : service_->limits.request_timeout;
  }
  void drain() override { chosen_ ? chosen_->drain() : end(); }

 private:
  void end() { is_over_ = true; }

  ProtocolHost& host_;
  std::weak_ptr<ProtocolHost> weak_host_;
  std::shared_ptr<const Service> service_;
  SteadyTime since_;
  std::string seen_;
  std::unique_ptr<Protocol> chosen_;
  bool is_over_ = false;
};

}  // namespace

std::unique_ptr<Protocol> make_server_protocol(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host,
                                               std::shared_ptr<const Service> service, std::string_view alpn) {
  if (alpn == "h2") return std::make_unique<Http2Server>(host, std::move(weak_host), std::move(service));
  if (alpn == "http/1.1") return make_http1_server(host, std::move(weak_host), std::move(service));
  return std::make_unique<FirstBytes>(host, std::move(weak_host), std::move(service));
}

}  // namespace mesh::wire
