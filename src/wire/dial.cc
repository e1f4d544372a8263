#include "wire/dial.h"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace mesh::wire {

Result<ClientUrl> ClientUrl::parse(const std::string& text) {
  auto url = boost::urls::parse_uri(text);
  if (!url) return invalid(text, "is not a URL: " + url.error().message());
  ClientUrl result;
  if (url->scheme_id() == boost::urls::scheme::https) {
    result.is_tls = true;
  } else if (url->scheme_id() != boost::urls::scheme::http) {
    return invalid(text, "must begin with http:// or https://");
  }
  if (url->has_userinfo()) return invalid(text, "must not contain a user or a password");
  result.host = std::string_view(url->encoded_host());
  if (result.host.empty()) return invalid(text, "names no host");
  result.port = url->has_port() && !url->port().empty() ? url->port_number() : result.is_tls ? 443 : 80;
  if (result.port == 0) return invalid(text, "has a port that is not from 1 to 65535");
  result.authority = std::string_view(url->encoded_host_and_port());
  result.target = std::string_view(url->encoded_target());
  if (!result.target.starts_with('/')) result.target.insert(0, "/");
  return result;
}

std::shared_ptr<Dial> Dial::start(const Strand& strand, const ClientUrl& url, const std::string& unix_socket,
                                  Duration timeout, OnConnected on_connected) {
  std::shared_ptr<Dial> dial(new Dial(strand, std::move(on_connected)));
  dial->deadline_ = real_clock().steady() + timeout;
  if (!unix_socket.empty()) {
    auto address = SocketAddress::unix_path(unix_socket);
    strand.post([dial, address = std::move(address)]() mutable {
      if (!address) return dial->finish(std::move(address).error());
      dial->addresses_ = {*address};
      dial->try_next();
    });
    return dial;
  }
  resolve(strand, url.host, url.port, [dial](Result<std::vector<SocketAddress>> found) {
    if (!found) return dial->finish(std::move(found).error());
    dial->addresses_.assign(found->rbegin(), found->rend());
    dial->try_next();
  });
  return dial;
}

void Dial::cancel() {
  on_connected_ = nullptr;
  timer_.cancel();
  socket_.close();
  addresses_.clear();
}

void Dial::try_next() {
  if (!on_connected_) return;
  if (addresses_.empty()) {
    return finish(error(ErrorKind::Unavailable, failures_.empty() ? "the host has no address" : failures_));
  }
  SocketAddress address = addresses_.back();
  addresses_.pop_back();
  auto fd = begin_connect(address);
  if (!fd) {
    failures_ += (failures_.empty() ? "" : "; ") + fd.error().text;
    return try_next();
  }
  socket_ = Descriptor(strand_, *fd);
  socket_.wait_writable([self = shared_from_this(), address] { self->on_attempt_ended(address); });
  if (addresses_.empty()) return;  // the caller's deadline is enough
  Duration left = std::max<Duration>(deadline_ - real_clock().steady(), Duration::zero());
  timer_ = strand_.after(left / (addresses_.size() + 1), [self = shared_from_this(), address] {
    self->failures_ +=
        fmt::format("{}cannot connect to {}: timed out", self->failures_.empty() ? "" : "; ", address.text());
    self->socket_.close();
    self->try_next();
  });
}

void Dial::on_attempt_ended(const SocketAddress& address) {
  timer_.cancel();
  if (!socket_.is_open()) return;
  if (int number = connect_error(socket_.fd()); number != 0) {
    failures_ += fmt::format("{}cannot connect to {}: {}", failures_.empty() ? "" : "; ", address.text(),
                             std::generic_category().message(number));
    socket_.close();
    return try_next();
  }
  SocketAddress local = SocketAddress::local_of(socket_.fd());
  Connected connected{.fd = -1,
                      .peer = {.address = address.ip(),
                               .port = address.port(),
                               .local_address = local.ip(),
                               .local_port = local.port(),
                               .is_loopback = address.is_loopback(),
                               .is_tls = false,
                               .client_certificate_pem = {}}};
  connected.fd = socket_.release();
  finish(std::move(connected));
}

void Dial::finish(Result<Connected> result) {
  if (!on_connected_) return;
  timer_.cancel();
  auto callback = std::exchange(on_connected_, nullptr);
  callback(std::move(result));
}

}  // namespace mesh::wire
