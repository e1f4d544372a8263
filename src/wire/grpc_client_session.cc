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
constexpr std::uint32_t kLastChosenId = 1U << 16;  // later ones are of those that open very many

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

GrpcClientSession::GrpcClientSession(ProtocolHost& host, Http2Keepalive keepalive)
    : Http2Session(Side::Client, host, keepalive) {
  introduce();
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
  for (const auto& [id, stream] : streams_) stream.grpc->abandon();
}

void GrpcClientSession::introduce() {
  const std::array<nghttp2_settings_entry, 3> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
                                                        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderBytes}}};
  nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, kWindow);
}

bool GrpcClientSession::may_open() const {
  return !is_lost_ && !is_draining_ && !is_done() && nghttp2_session_check_request_allowed(session()) != 0;
}

void GrpcClientSession::open(const Call& call, Http2Keepalive keepalive, std::shared_ptr<Http2GrpcStream> stream) {
  set_keepalive(keepalive);
  Fields fields("POST", call.scheme, call.authority, call.path);
  fields.add("content-type", "application/grpc");
  fields.add("te", "trailers");
  fields.add("user-agent", "taskmesh");
  fields.add(call.metadata);
  const auto views = fields.views();
  const nghttp2_data_provider provider = body_provider();
  std::uint32_t next = nghttp2_session_get_next_stream_id(session());
  while (next < kLastChosenId && !Http2Memory::is_cheap(next)) next += 2;
  nghttp2_session_set_next_stream_id(session(), static_cast<std::int32_t>(next));
  const std::int32_t id = nghttp2_submit_request(session(), nullptr, views.data(), views.size(), &provider, nullptr);
  stream->set_peer(host().peer());
  stream->set_carrier(this);
  streams_[id].grpc = std::move(stream);
  host().wake();
}

void GrpcClientSession::drain() {
  is_draining_ = true;
  if (streams_.empty()) end_with(NGHTTP2_NO_ERROR);
}

GrpcClientSession::Stream* GrpcClientSession::find(std::int32_t id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

std::int32_t GrpcClientSession::id_of(const Http2GrpcStream& grpc) const {
  for (const auto& [id, stream] : streams_) {
    if (stream.grpc.get() == &grpc) return id;
  }
  return -1;
}

void GrpcClientSession::on_header(std::int32_t id, std::string_view name, std::string_view value) {
  if (id == exchange_id_) {
    if (!exchange_->on_header(name, value)) give_up_exchange();
    return;
  }
  Stream* stream = find(id);
  if (stream == nullptr) return;
  stream->header_bytes += name.size() + value.size();
  if (stream->header_bytes > kMaxHeaderBytes) return;
  if (name == ":status") stream->http_status = number_in(value, 0);
  if (name == "content-type") stream->is_grpc = value.starts_with("application/grpc");
  if (name == "grpc-status") stream->grpc_status = number_in(value, kGrpcUnknown);
  if (name == "grpc-message") stream->grpc_message = unescape_grpc_message(value);
}

void GrpcClientSession::give_up_exchange() {
  nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, exchange_id_, NGHTTP2_CANCEL);
  host().wake();
}

void GrpcClientSession::on_data(std::int32_t id, std::string_view bytes) {
  nghttp2_session_consume_connection(session(), bytes.size());
  if (id == exchange_id_) {
    nghttp2_session_consume_stream(session(), id, bytes.size());
    if (!exchange_->on_data(bytes)) give_up_exchange();
    return;
  }
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (stream->grpc->is_read() && stream->unread.empty()) return receive(id, *stream, bytes);
  stream->unread.append(bytes);
}

void GrpcClientSession::receive(std::int32_t id, Stream& stream, std::string_view bytes) {
  nghttp2_session_consume_stream(session(), id, bytes.size());
  if (stream.http_status != 200 || !stream.is_grpc) return;  // a proxy's error page; the status says enough
  if (auto broken = stream.grpc->on_data(bytes)) reset(id, *broken);
}

void GrpcClientSession::on_reading(Http2GrpcStream& grpc) {
  const std::int32_t id = id_of(grpc);
  Stream* stream = find(id);
  if (stream == nullptr || !grpc.is_read() || stream->unread.empty()) return;
  receive(id, *stream, std::exchange(stream->unread, {}));
  host().wake();
}

void GrpcClientSession::on_stream_end(std::int32_t id) {
  Stream* stream = find(id);
  if (stream != nullptr && stream->grpc_status && stream->unread.empty()) stream->grpc->stop_receiving();
}

void GrpcClientSession::on_stream_closed(std::int32_t id, std::uint32_t error_code) {
  if (id == exchange_id_) {
    exchange_id_ = -1;
    return exchange_->on_closed(error_code);
  }
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const Stream stream = std::move(found->second);
  streams_.erase(found);
  if (!stream.unread.empty()) stream.grpc->on_data(stream.unread);
  stream.grpc->close(final_status(stream, error_code));
  if (is_draining_ && streams_.empty()) end_with(NGHTTP2_NO_ERROR);
}

GrpcStatus GrpcClientSession::final_status(const Stream& stream, std::uint32_t error_code) {
  if (stream.grpc_status) return {*stream.grpc_status, stream.grpc_message};
  const auto& ours = stream.grpc->finish_status();
  if (ours && ours->code != 0) return *ours;
  if (stream.http_status != 0 && stream.http_status != 200) {
    return {grpc_code_of_http_status(stream.http_status),
            fmt::format("the server answered with HTTP status {}", stream.http_status)};
  }
  if (error_code == NGHTTP2_NO_ERROR) return {kGrpcUnknown, "the server ended the stream without a status"};
  return {grpc_code_of_http2_error(error_code),
          fmt::format("the server reset the stream: {}", nghttp2_http2_strerror(error_code))};
}

void GrpcClientSession::on_all_lost(const Error& reason) {
  is_lost_ = true;
  if (exchange_) exchange_->on_lost(reason);
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, stream] : streams) {
    stream.grpc->close(stream.grpc_status ? GrpcStatus{*stream.grpc_status, stream.grpc_message}
                                          : GrpcStatus{kGrpcUnavailable, reason.text});
  }
}

std::size_t GrpcClientSession::body_ready(std::int32_t id, std::size_t size, std::uint32_t& flags) {
  if (id == exchange_id_) {
    if (size >= exchange_->unsent()) flags |= NGHTTP2_DATA_FLAG_EOF;
    return std::min(size, exchange_->unsent());
  }
  const Stream* stream = find(id);
  if (stream == nullptr) return 0;
  const std::size_t ready = std::min(size, stream->grpc->queued_bytes());
  if (ready == stream->grpc->queued_bytes() && stream->grpc->finish_status()) flags |= NGHTTP2_DATA_FLAG_EOF;
  return ready;
}

void GrpcClientSession::take_body(std::int32_t id, std::string& out, std::size_t size) {
  if (id == exchange_id_) return exchange_->take_body(out, size);
  if (const Stream* stream = find(id)) return stream->grpc->take(out, size);
  out.append(size, '\0');  // cannot be: the library drops frames of closed streams
}

void GrpcClientSession::on_output(Http2GrpcStream& grpc) {
  if (const std::int32_t id = id_of(grpc); id >= 0) resume(id);
}

void GrpcClientSession::on_finish(Http2GrpcStream& grpc) {
  const std::int32_t id = id_of(grpc);
  if (id < 0) return;
  if (grpc.finish_status()->code != 0) return reset(id, *grpc.finish_status());
  resume(id);
}

void GrpcClientSession::reset(std::int32_t id, const GrpcStatus& status) {
  nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  const auto grpc = streams_.at(id).grpc;
  grpc->close(status);
  host().wake();
}

}  // namespace mesh::wire
