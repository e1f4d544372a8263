#include "wire/grpc_client_session.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>
#include <vector>

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

}  // namespace

GrpcClientSession::GrpcClientSession(ProtocolHost& host, Http2Keepalive keepalive, const Call& call,
                                     std::shared_ptr<Http2GrpcStream> stream)
    : Http2Session(Side::Client, host, keepalive), stream_(std::move(stream)) {
  const std::array<nghttp2_settings_entry, 3> settings{{{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow},
                                                        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderBytes}}};
  nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, kWindow);

  std::vector<std::pair<std::string, std::string>> texts{{":method", "POST"},
                                                         {":scheme", call.scheme},
                                                         {":authority", call.authority},
                                                         {":path", call.path},
                                                         {"content-type", "application/grpc"},
                                                         {"te", "trailers"},
                                                         {"user-agent", "taskmesh"}};
  for (const auto& [name, value] : call.metadata.all()) {
    if (is_field_name(name) && !is_about_connection(name)) texts.emplace_back(to_lower(name), clean_field_value(value));
  }
  std::vector<nghttp2_nv> fields;
  for (const auto& [name, value] : texts) fields.push_back(header_field(name, value));
  nghttp2_data_provider provider = body_provider();
  id_ = nghttp2_submit_request(session(), nullptr, fields.data(), fields.size(), &provider, nullptr);
  stream_->set_peer(host.peer());
  stream_->set_carrier(this);
  host.wake();
}

void GrpcClientSession::on_header(std::int32_t, std::string_view name, std::string_view value) {
  header_bytes_ += name.size() + value.size();
  if (header_bytes_ > kMaxHeaderBytes) return;
  if (name == ":status") http_status_ = number_in(value, 0);
  if (name == "content-type") is_grpc_ = value.starts_with("application/grpc");
  if (name == "grpc-status") grpc_status_ = number_in(value, kGrpcUnknown);
  if (name == "grpc-message") grpc_message_ = unescape_grpc_message(value);
}

void GrpcClientSession::on_data(std::int32_t, std::string_view bytes) {
  if (http_status_ != 200 || !is_grpc_) return;  // a proxy's error page; the status says enough
  if (auto broken = stream_->on_data(bytes)) reset(*broken);
}

void GrpcClientSession::on_stream_end(std::int32_t) {
  if (grpc_status_) stream_->stop_receiving();
}

void GrpcClientSession::on_stream_closed(std::int32_t, std::uint32_t error_code) {
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
  stream_->close(grpc_status_ ? GrpcStatus{*grpc_status_, grpc_message_} : GrpcStatus{kGrpcUnavailable, reason.text});
}

std::size_t GrpcClientSession::body_ready(std::int32_t, std::size_t size, std::uint32_t& flags) {
  std::size_t ready = std::min(size, stream_->queued_bytes());
  if (ready == stream_->queued_bytes() && stream_->finish_status()) flags |= NGHTTP2_DATA_FLAG_EOF;
  return ready;
}

void GrpcClientSession::take_body(std::int32_t, std::string& out, std::size_t size) { stream_->take(out, size); }

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
