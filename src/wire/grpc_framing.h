// gRPC's own layer, as bytes: message prefixes, statuses and their escaping.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "wire/grpc.h"

namespace mesh::wire {

constexpr int kGrpcCancelled = 1, kGrpcUnknown = 2, kGrpcInvalidArgument = 3, kGrpcDeadlineExceeded = 4,
              kGrpcPermissionDenied = 7, kGrpcResourceExhausted = 8, kGrpcUnimplemented = 12, kGrpcInternal = 13,
              kGrpcUnavailable = 14, kGrpcUnauthenticated = 16;

// Cuts a stream of bytes, split anywhere, into messages.
class MessageDecoder {
 public:
  explicit MessageDecoder(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Calls `on_message` for every message that is complete. A status: the peer broke the rules; feed no more.
  std::optional<GrpcStatus> feed(std::string_view bytes, const std::function<void(std::string)>& on_message);
  bool is_between_messages() const { return prefix_size_ == 0; }
  std::size_t buffered_bytes() const { return message_.capacity() > 16 ? message_.capacity() : 0; }

 private:
  std::size_t max_bytes_;
  std::array<unsigned char, 5> prefix_{};
  std::size_t prefix_size_ = 0, wanted_ = 0;
  std::string message_;
};

std::array<char, 5> message_prefix(std::size_t size);

std::string escape_grpc_message(std::string_view message);
std::string unescape_grpc_message(std::string_view text);

int grpc_code_of_http2_error(std::uint32_t error_code);
int grpc_code_of_http_status(int status);

}  // namespace mesh::wire
