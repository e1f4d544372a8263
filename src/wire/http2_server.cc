#include "wire/http2_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "wire/responder.h"
#include "wire/target.h"
#include "wire/text.h"

namespace mesh::wire {

namespace {

constexpr std::int32_t kStreamWindow = 256 << 10;
constexpr std::int32_t kConnectionWindow = 1 << 20;
constexpr std::size_t kFieldOverhead = 32;  // as HPACK counts

}  // namespace

// A request on its way in, or its answer on its way out. gRPC streams keep their state in `grpc`.
struct Http2Server::Stream {
  enum class State { Receiving, Handling, Answering };

  std::int32_t id = 0;
  State state = State::Receiving;
  SteadyTime since{};  // of the request, or of the last progress of the answer
  std::size_t header_bytes = 0, buffered = 0;
  bool has_request = false;  // its headers are complete
  std::string target;
  Request request;
  std::string body;  // of the answer
  std::size_t body_from = 0;
  std::shared_ptr<Http2GrpcStream> grpc;
  bool has_started = false;  // gRPC: the response headers are sent
  bool is_due = false;  // gRPC: the first message, the rest of one, or the peer's end of the stream is to come in time
};

Http2Server::Http2Server(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host,
                         std::shared_ptr<const Service> service)
    : Http2Session(Side::Server, host, {service->limits.keepalive_interval, service->limits.keepalive_timeout}),
      weak_host_(std::move(weak_host)),
      service_(std::move(service)),
      unfinished_(*service_),
      idle_since_(real_clock().steady()) {
  const Limits& limits = service_->limits;
  const std::array<nghttp2_settings_entry, 3> settings{{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, static_cast<std::uint32_t>(limits.max_streams)},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.max_header_bytes)},
  }};
  nghttp2_submit_settings(session(), NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session(), NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

Http2Server::~Http2Server() {
  *alive_ = nullptr;
  for (const auto& [id, stream] : streams_) {
    if (stream->grpc) stream->grpc->abandon();
  }
}

Http2Server::Stream* Http2Server::find(std::int32_t id) {
  auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

Http2Server::Stream* Http2Server::find(const Http2GrpcStream& grpc) {
  for (const auto& [id, stream] : streams_) {
    if (stream->grpc.get() == &grpc) return stream.get();
  }
  return nullptr;
}

void Http2Server::on_begin_headers(std::int32_t id) {
  auto& stream = streams_[id];
  if (stream) return;  // trailers
  stream = std::make_unique<Stream>();
  stream->id = id;
  stream->since = real_clock().steady();
}

void Http2Server::on_header(std::int32_t id, std::string_view name, std::string_view value) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->has_request) return;  // nothing here reads trailers of a request
  stream->header_bytes += name.size() + value.size() + kFieldOverhead;
  if (stream->header_bytes > service_->limits.max_header_bytes) return;
  if (name == ":method") {
    stream->request.method = value;
  } else if (name == ":path") {
    stream->target = value;
  } else if (name == ":authority") {
    stream->request.headers.add("host", std::string(value));
  } else if (!name.starts_with(':') && !(name == "host" && stream->request.headers.find("host"))) {
    stream->request.headers.add(std::string(name), std::string(value));
  }
}

void Http2Server::on_headers(std::int32_t id) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->has_request) return;
  stream->has_request = true;
  host().on_first_request();
  auto type = stream->request.headers.find("content-type");
  bool is_grpc = stream->request.method == "POST" && type && type->starts_with("application/grpc");
  if (stream->header_bytes > service_->limits.max_header_bytes) {
    std::string text =
        fmt::format("the headers are larger than the {} bytes that are accepted", service_->limits.max_header_bytes);
    return is_grpc ? refuse_grpc(*stream, {kGrpcResourceExhausted, text}) : answer(*stream, error_response(431, text));
  }
  if (is_grpc) return open_grpc(*stream);
  if (stream->request.method == "CONNECT") return answer(*stream, error_response(405, "this is not a proxy"));
  if (auto parsed = parse_target(stream->target, stream->request); !parsed) {
    answer(*stream, error_response(400, parsed.error().message()));
  }
}

void Http2Server::open_grpc(Stream& stream) {
  auto service = service_->grpc.find(std::string_view(stream.target).substr(0, stream.target.find('?')));
  if (service == service_->grpc.end())
    return refuse_grpc(stream, {kGrpcUnimplemented, "no such method: " + stream.target});
  stream.grpc = std::make_shared<Http2GrpcStream>(host().strand(), std::move(stream.request.headers),
                                                  service_->limits.max_message_bytes);
  stream.request = {};
  std::string().swap(stream.target);
  stream.is_due = true;
  stream.grpc->set_peer(host().peer());
  stream.grpc->set_carrier(this);
  auto events = service->second(stream.grpc);
  if (!events) stream.grpc->finish({kGrpcInternal, "the stream was not accepted"});  // unless it was finished already
  stream.grpc->set_events(std::move(events));
}

// "Trailers only": one header block that is the whole answer.
void Http2Server::refuse_grpc(Stream& stream, const GrpcStatus& status) {
  std::string code = std::to_string(status.code), message = escape_grpc_message(status.message);
  const std::array<nghttp2_nv, 4> fields{header_field(":status", "200"),
                                         header_field("content-type", "application/grpc"),
                                         header_field("grpc-status", code), header_field("grpc-message", message)};
  stream.state = Stream::State::Answering;
  stream.has_started = true;
  nghttp2_submit_response(session(), stream.id, fields.data(), message.empty() ? 3 : 4, nullptr);
  host().wake();
}

void Http2Server::count_buffered(Stream& stream, std::size_t now) {
  unfinished_.set(unfinished_.bytes() - stream.buffered + now);
  stream.buffered = now;
}

void Http2Server::on_data(std::int32_t id, std::string_view bytes) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  const Limits& limits = service_->limits;
  // Many streams of one connection together may not hold more than a few of the largest bodies.
  bool is_over = unfinished_.bytes() + bytes.size() > 4 * std::max(limits.max_body_bytes, limits.max_message_bytes) ||
                 !unfinished_.has_room_for(stream->buffered + bytes.size());
  if (stream->grpc) {
    auto broken =
        is_over ? GrpcStatus{kGrpcResourceExhausted, "the unfinished messages are too large together; try again later"}
                : stream->grpc->on_data(bytes);
    count_buffered(*stream, stream->grpc->buffered_bytes());
    if (stream->grpc->finish_status()) return;
    const bool was_due = std::exchange(stream->is_due, !stream->grpc->is_between_messages());
    if (stream->is_due && !was_due) stream->since = real_clock().steady();
    if (broken) {
      stream->grpc->stop_receiving();
      stream->grpc->finish(*broken);
    }
    return;
  }
  if (stream->state != Stream::State::Receiving) return;
  if (is_over) return answer(*stream, error_response(503, "too many large requests arrive at once; try again later"));
  if (stream->request.body.size() + bytes.size() > limits.max_body_bytes) {
    return answer(*stream, error_response(413, fmt::format("the body is larger than the {} bytes that are accepted",
                                                           limits.max_body_bytes)));
  }
  stream->request.body.append(bytes);
  count_buffered(*stream, stream->request.body.size());
}

void Http2Server::on_stream_end(std::int32_t id) {
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (stream->grpc) {
    if (auto broken = stream->grpc->on_end()) stream->grpc->finish(*broken);
  } else if (stream->state == Stream::State::Receiving && stream->has_request) {
    dispatch(*stream);
  }
}

void Http2Server::dispatch(Stream& stream) {
  count_buffered(stream, 0);
  stream.state = Stream::State::Handling;
  Request request = std::move(stream.request);
  stream.request.method = request.method;
  request.peer = *host().peer();
  service_->http(std::move(request),
                 make_respond(host().strand(), [alive = alive_, weak = weak_host_, id = stream.id](Response response) {
                   auto connection = weak.lock();
                   if (connection && *alive != nullptr) (*alive)->answer(id, std::move(response));
                 }));
}

void Http2Server::answer(std::int32_t id, Response response) {
  if (Stream* stream = find(id); stream != nullptr && stream->state == Stream::State::Handling)
    answer(*stream, std::move(response));
}

void Http2Server::answer(Stream& stream, Response response) {
  count_buffered(stream, 0);
  bool has_body = may_have_body(response.status) && stream.request.method != "HEAD" && !response.body.empty();
  std::vector<std::pair<std::string, std::string>> texts{{":status", std::to_string(response.status)}};
  for (const auto& [name, value] : response.headers.all()) {
    if (is_field_name(name) && !is_about_connection(name)) texts.emplace_back(to_lower(name), clean_field_value(value));
  }
  if (!response.headers.find("date")) texts.emplace_back("date", http_date(real_clock().now()));
  if (may_have_body(response.status)) texts.emplace_back("content-length", std::to_string(response.body.size()));
  std::vector<nghttp2_nv> fields;
  for (const auto& [name, value] : texts) fields.push_back(header_field(name, value));

  stream.state = Stream::State::Answering;
  stream.since = real_clock().steady();
  stream.body = std::move(response.body);
  stream.request = {};
  nghttp2_data_provider provider = body_provider();
  nghttp2_submit_response(session(), stream.id, fields.data(), fields.size(), has_body ? &provider : nullptr);
  host().wake();
}

void Http2Server::on_stream_closed(std::int32_t id, std::uint32_t error_code) {
  auto found = streams_.find(id);
  if (found == streams_.end()) return;
  std::unique_ptr<Stream> stream = std::move(found->second);
  streams_.erase(found);
  count_buffered(*stream, 0);
  if (streams_.empty()) idle_since_ = real_clock().steady();
  if (!stream->grpc) return;
  const auto& finished = stream->grpc->finish_status();
  if (finished) return stream->grpc->close(*finished);
  stream->grpc->close({grpc_code_of_http2_error(error_code),
                       fmt::format("the peer reset the stream: {}", nghttp2_http2_strerror(error_code))});
}

void Http2Server::on_all_lost(const Error& reason) {
  *alive_ = nullptr;
  auto streams = std::exchange(streams_, {});
  for (const auto& [id, stream] : streams) {
    if (stream->grpc)
      stream->grpc->close(stream->grpc->finish_status().value_or(GrpcStatus{kGrpcUnavailable, reason.text}));
  }
}

std::size_t Http2Server::body_ready(std::int32_t id, std::size_t size, std::uint32_t& flags) {
  Stream* stream = find(id);
  if (stream == nullptr) return 0;
  if (stream->grpc) {
    std::size_t ready = std::min(size, stream->grpc->queued_bytes());
    if (ready == stream->grpc->queued_bytes() && stream->grpc->finish_status()) {
      flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      send_grpc_trailers(*stream);
    }
    return ready;
  }
  std::size_t ready = std::min(size, stream->body.size() - stream->body_from);
  if (stream->body_from + ready == stream->body.size()) flags |= NGHTTP2_DATA_FLAG_EOF;
  return ready;
}

void Http2Server::send_grpc_trailers(Stream& stream) {
  const GrpcStatus& status = *stream.grpc->finish_status();
  std::string code = std::to_string(status.code), message = escape_grpc_message(status.message);
  const std::array<nghttp2_nv, 2> fields{header_field("grpc-status", code), header_field("grpc-message", message)};
  nghttp2_submit_trailer(session(), stream.id, fields.data(), message.empty() ? 1 : 2);
}

void Http2Server::take_body(std::int32_t id, std::string& out, std::size_t size) {
  Stream* stream = find(id);
  if (stream == nullptr) {
    out.append(size, '\0');  // cannot be: the library drops frames of closed streams
  } else if (stream->grpc) {
    stream->grpc->take(out, size);
  } else {
    out.append(stream->body, stream->body_from, size);
    stream->body_from += size;
    stream->since = real_clock().steady();
  }
}

void Http2Server::on_output(Http2GrpcStream& grpc) {
  Stream* stream = find(grpc);
  if (stream == nullptr) return;
  if (stream->has_started) return resume(stream->id);
  stream->has_started = true;
  const std::array<nghttp2_nv, 2> fields{header_field(":status", "200"),
                                         header_field("content-type", "application/grpc")};
  nghttp2_data_provider provider = body_provider();
  nghttp2_submit_response(session(), stream->id, fields.data(), fields.size(), &provider);
  host().wake();
}

void Http2Server::on_finish(Http2GrpcStream& grpc) {
  Stream* stream = find(grpc);
  if (stream == nullptr) return;
  grpc.stop_receiving();
  stream->is_due = true;
  stream->since = real_clock().steady();
  if (stream->has_started) return resume(stream->id);
  refuse_grpc(*stream, *grpc.finish_status());
}

// A request must arrive in time, and its answer be taken. gRPC streams may be quiet between messages, but not before
// the first and not in the middle of one: pings show that they live.
SteadyTime Http2Server::deadline_of(const Stream& stream) const {
  if (stream.grpc ? !stream.is_due : stream.state == Stream::State::Handling) return kNever;
  return stream.since + service_->limits.request_timeout;
}

SteadyTime Http2Server::own_deadline() const {
  if (streams_.empty()) return idle_since_ + service_->limits.idle_timeout;
  SteadyTime first = kNever;
  for (const auto& [id, stream] : streams_) first = std::min(first, deadline_of(*stream));
  return first;
}

void Http2Server::on_own_deadline(SteadyTime now) {
  if (streams_.empty()) return end_with(NGHTTP2_NO_ERROR);
  for (const auto& [id, stream] : streams_) {
    if (now < deadline_of(*stream)) continue;
    if (stream->grpc && !stream->grpc->finish_status()) {
      stream->since = now;
      stream->grpc->stop_receiving();
      stream->grpc->finish({kGrpcDeadlineExceeded, "the message did not arrive in time"});
    } else if (!stream->grpc && stream->state == Stream::State::Receiving && stream->has_request) {
      answer(*stream, error_response(408, "the request did not arrive in time"));
    } else {
      stream->since = now;
      nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
  }
}

}  // namespace mesh::wire
