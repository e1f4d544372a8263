#include "wire/grpc_framing.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>

namespace mesh::wire {

std::optional<GrpcStatus> MessageDecoder::feed(std::string_view bytes,
                                               const std::function<void(std::string)>& on_message) {
  while (true) {
    while (prefix_size_ < prefix_.size()) {
      if (bytes.empty()) return std::nullopt;
      prefix_[prefix_size_++] = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      if (prefix_size_ < prefix_.size()) continue;
      if (prefix_[0] != 0) return GrpcStatus{kGrpcUnimplemented, "compressed messages are not supported"};
      wanted_ = static_cast<std::size_t>(prefix_[1]) << 24 | prefix_[2] << 16 | prefix_[3] << 8 | prefix_[4];
      if (wanted_ > max_bytes_) {
        return GrpcStatus{
            kGrpcResourceExhausted,
            fmt::format("a message of {} bytes is larger than the {} that are accepted", wanted_, max_bytes_)};
      }
    }
    // Room is made as bytes come, not as they are announced.
    std::string_view part = bytes.substr(0, wanted_ - message_.size());
    if (part.size() == wanted_) message_.reserve(wanted_);
    message_.append(part);
    bytes.remove_prefix(part.size());
    if (message_.size() < wanted_) return std::nullopt;
    prefix_size_ = 0;
    on_message(std::exchange(message_, {}));
  }
}

std::array<char, 5> message_prefix(std::size_t size) {
  return {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16), static_cast<char>(size >> 8),
          static_cast<char>(size)};
}

std::string escape_grpc_message(std::string_view message) {
  std::string text;
  for (char c : message) {
    if (c >= ' ' && c <= '~' && c != '%') {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

std::string unescape_grpc_message(std::string_view text) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  std::string message;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      message += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      message += text[i];  // what is not an escape is taken as it is, as the protocol asks
    }
  }
  return message;
}

int grpc_code_of_http2_error(std::uint32_t error_code) {
  switch (error_code) {
    case NGHTTP2_CANCEL: return kGrpcCancelled;
    case NGHTTP2_REFUSED_STREAM: return kGrpcUnavailable;
    case NGHTTP2_ENHANCE_YOUR_CALM: return kGrpcResourceExhausted;
    case NGHTTP2_INADEQUATE_SECURITY: return kGrpcPermissionDenied;
    default: return kGrpcInternal;
  }
}

int grpc_code_of_http_status(int status) {
  switch (status) {
    case 400: return kGrpcInternal;
    case 401: return kGrpcUnauthenticated;
    case 403: return kGrpcPermissionDenied;
    case 404: return kGrpcUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504: return kGrpcUnavailable;
    default: return kGrpcUnknown;
  }
}

}  // namespace mesh::wire
