#include "wire/http2_exchange.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <charconv>

namespace mesh::wire {

namespace {

constexpr std::size_t kMaxHeaderBytes = 128UL << 10;

}  // namespace

Http2Exchange::Http2Exchange(ClientRequest request, OnResponse on_result)
    : request_(std::move(request)), on_result_(std::move(on_result)) {}

void Http2Exchange::take_body(std::string& out, std::size_t size) {
  out.append(request_.body, sent_, size);
  sent_ += size;
}

bool Http2Exchange::on_header(std::string_view name, std::string_view value) {
  header_bytes_ += name.size() + value.size();
  if (header_bytes_ > kMaxHeaderBytes) return refuse();
  if (name == ":status") {
    int status = 0;
    std::from_chars(value.data(), value.data() + value.size(), status);
    response_ = {.status = status, .headers = {}, .body = {}};  // after an interim one, the next counts
  } else if (!name.starts_with(':')) {
    response_.headers.add(std::string(name), std::string(value));
  }
  return true;
}

bool Http2Exchange::on_data(std::string_view bytes) {
  if (response_.body.size() + bytes.size() > request_.max_response_bytes) return refuse();
  response_.body.append(bytes);
  return true;
}

bool Http2Exchange::refuse() {
  finish(error(ErrorKind::TooLarge, fmt::format("the answer has more than {} bytes", request_.max_response_bytes)));
  return false;
}

void Http2Exchange::on_closed(std::uint32_t error_code) {
  if (error_code == NGHTTP2_NO_ERROR && response_.status >= 200) return finish(std::move(response_));
  finish(error(ErrorKind::Unavailable,
               fmt::format("the server ended the request without an answer: {}", nghttp2_http2_strerror(error_code))));
}

void Http2Exchange::finish(Result<Response> result) {
  if (auto callback = std::exchange(on_result_, nullptr)) callback(std::move(result));
}

}  // namespace mesh::wire
