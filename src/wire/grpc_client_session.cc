#include "wire/grpc_client_session.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "wire/kept_connection.h"
#include "wire/text.h"

namespace mesh::wire {

namespace {

constexpr std::int32_t kWindow = 1 << 20;
constexpr std::size_t kMaxHeaderBytes = 64UL << 10;

int number_in(std::string_view text, int otherwise) {
  int number = otherwise;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : otherwise;
}

// Fields of a request: those that HTTP/2 begins with, ours, and the caller's. The views are into `texts`.
class Fields {
 public:
  Fields(std::string method, std::string scheme, std::string authority, std::string path)
      : texts_{{":method", std::move(method)},
               {":scheme", std::move(scheme)},
               {":authority", std::move(authority)},
               {":path", std::move(path)}} {}
  void add(std::string name, std::string value) { texts_.emplace_back(std::move(name), std::move(value)); }
  void add(const Headers& headers) {
    for (const auto& [name, value] : headers.all()) {
      if (is_field_name(name) && !is_about_connection(name)) add(to_lower(name), clean_field_value(value));
    }
  }
  std::vector<nghttp2_nv> views() const {
    std::vector<nghttp2_nv> out;
    for (const auto& [name, value] : texts_) out.push_back(header_field(name, value));
    return out;
  }

 private:
  std::vector<std::pair<std::string, std::string>> texts_;
};

}  // namespace

GrpcClientSession::GrpcClientSession(ProtocolHost& host, Http2Keepalive keepalive, const Call& call,
                                     std::shared_ptr<Http2GrpcStream> stream)
    : Http2Session(Side::Client, host, keepalive) {
  introduce();
  open(call, keepalive, std::move(stream));
}

GrpcClientSession::GrpcClientSession(ProtocolHost& host, Http2Keepalive keepalive, const ClientUrl& url,
                                     ClientRequest request, OnResponse on_result)
    : Http2Session(Side::Client, host, keepalive), exchange_(std::in_place, std::move(request), std::move(on_result)) {
  introduce();
  Fields fields(exchange_->request().method, url.is_tls ? "https" : "http", url.authority, url.target);
  fields.add("user-agent", "taskmesh");
  fields.add(exchange_->request().headers);
  const bool has_body = exchange_->unsent() > 0;
  if (has_body) fields.add("content-length", std::to_string(exchange_->unsent()));
  const auto views = fields.views();
  const nghttp2_data_provider provider = body_provider();
  exchange_id_ =
      nghttp2_submit_request(session(), nullptr, views.data(), views.size(), has_body ? &provider : nullptr, nullptr);
  host.wake();
}

GrpcClientSession::~GrpcClientSession() {
  if (const auto kept = kept_.lock()) kept->on_session_gone();
  if (stream_) stream_->abandon();
}

void GrpcClientSession::introduce() {
  const std::array<nghttp2_settings_entry, 3> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
                                                        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderBytes}}};
  nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, kWindow);
}

bool GrpcClientSession::may_open() const {
  return !is_lost_ && !stream_ && !is_done() && nghttp2_session_check_request_allowed(session()) != 0;
}

void GrpcClientSession::open(const Call& call, Http2Keepalive keepalive, std::shared_ptr<Http2GrpcStream> stream) {
  set_keepalive(keepalive);
  stream_ = std::move(stream);
  Fields fields("POST", call.scheme, call.authority, call.path);
  fields.add("content-type", "application/grpc");
  fields.add("te", "trailers");
  fields.add("user-agent", "taskmesh");
  fields.add(call.metadata);
  const auto views = fields.views();
  const nghttp2_data_provider provider = body_provider();
  id_ = nghttp2_submit_request(session(), nullptr, views.data(), views.size(), &provider, nullptr);
  stream_->set_peer(host().peer());
  stream_->set_carrier(this);
  host().wake();
}

void GrpcClientSession::on_header(std::int32_t id, std::string_view name, std::string_view value) {
  if (id == exchange_id_) {
    if (!exchange_->on_header(name, value)) give_up_exchange();
    return;
  }
  header_bytes_ += name.size() + value.size();
  if (header_bytes_ > kMaxHeaderBytes) return;
  if (name == ":status") http_status_ = number_in(value, 0);
  if (name == "content-type") is_grpc_ = value.starts_with("application/grpc");
  if (name == "grpc-status") grpc_status_ = number_in(value, kGrpcUnknown);
  if (name == "grpc-message") grpc_message_ = unescape_grpc_message(value);
}

void GrpcClientSession::give_up_exchange() {
  nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, exchange_id_, NGHTTP2_CANCEL);
  host().wake();
}

void GrpcClientSession::on_data(std::int32_t id, std::string_view bytes) {
  if (id == exchange_id_) {
    if (!exchange_->on_data(bytes)) give_up_exchange();
    return;
  }
  if (http_status_ != 200 || !is_grpc_) return;  // a proxy's error page; the status says enough
  if (auto broken = stream_->on_data(bytes)) reset(*broken);
}

void GrpcClientSession::on_stream_end(std::int32_t id) {
  if (id == id_ && grpc_status_) stream_->stop_receiving();
}

void GrpcClientSession::on_stream_closed(std::int32_t id, std::uint32_t error_code) {
  if (id == exchange_id_) {
    exchange_id_ = -1;
    return exchange_->on_closed(error_code);
  }
  stream_->close(final_status(error_code));
  end_with(NGHTTP2_NO_ERROR);
}

GrpcStatus GrpcClientSession::final_status(std::uint32_t error_code) const {
  if (grpc_status_) return {*grpc_status_, grpc_message_};
  const auto& ours = stream_->finish_status();
  if (ours && ours->code != 0) return *ours;
  if (http_status_ != 0 && http_status_ != 200) {
    return {grpc_code_of_http_status(http_status_),
            fmt::format("the server answered with HTTP status {}", http_status_)};
  }
  if (error_code == NGHTTP2_NO_ERROR) return {kGrpcUnknown, "the server ended the stream without a status"};
  return {grpc_code_of_http2_error(error_code),
          fmt::format("the server reset the stream: {}", nghttp2_http2_strerror(error_code))};
}

void GrpcClientSession::on_all_lost(const Error& reason) {
  is_lost_ = true;
  if (exchange_) exchange_->on_lost(reason);
  if (!stream_) return;
  stream_->close(grpc_status_ ? GrpcStatus{*grpc_status_, grpc_message_} : GrpcStatus{kGrpcUnavailable, reason.text});
}

std::size_t GrpcClientSession::body_ready(std::int32_t id, std::size_t size, std::uint32_t& flags) {
  if (id == exchange_id_) {
    if (size >= exchange_->unsent()) flags |= NGHTTP2_DATA_FLAG_EOF;
    return std::min(size, exchange_->unsent());
  }
  std::size_t ready = std::min(size, stream_->queued_bytes());
  if (ready == stream_->queued_bytes() && stream_->finish_status()) flags |= NGHTTP2_DATA_FLAG_EOF;
  return ready;
}

void GrpcClientSession::take_body(std::int32_t id, std::string& out, std::size_t size) {
  if (id == exchange_id_) return exchange_->take_body(out, size);
  stream_->take(out, size);
}

void GrpcClientSession::on_output(Http2GrpcStream&) { resume(id_); }

void GrpcClientSession::on_finish(Http2GrpcStream& stream) {
  if (stream.finish_status()->code != 0) return reset(*stream.finish_status());
  resume(id_);
}

void GrpcClientSession::reset(const GrpcStatus& status) {
  nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_CANCEL);
  stream_->close(status);
  host().wake();
}

}  // namespace mesh::wire
