#include "envoy/pack.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <xxhash.h>

namespace mesh::envoy {
namespace {

constexpr std::string_view kTypePrefix = "type.googleapis.com/";

// Into a string of the right size at once: one that grows while it is written to costs as much as the writing.
std::string serialize_deterministically(const google::protobuf::Message& message) {
  std::string out(message.ByteSizeLong(), '\0');
  google::protobuf::io::ArrayOutputStream sink(out.data(), static_cast<int>(out.size()));
  google::protobuf::io::CodedOutputStream stream(&sink);
  stream.SetSerializationDeterministic(true);
  message.SerializeWithCachedSizes(&stream);
  return out;
}

std::string type_url(const google::protobuf::Message& message) {
  return std::string(kTypePrefix) + message.GetDescriptor()->full_name();
}

}  // namespace

std::string serialize(const google::protobuf::Message& message) { return serialize_deterministically(message); }

void pack_any(const google::protobuf::Message& message, google::protobuf::Any& into) {
  into.set_type_url(type_url(message));
  *into.mutable_value() = serialize_deterministically(message);
}

NamedResource make_resource(std::string name, const google::protobuf::Message& message) {
  google::protobuf::Any any;
  pack_any(message, any);
  std::string bytes = serialize_deterministically(any);
  std::string version = version_of(bytes);
  return {std::move(name), std::move(version), make_bytes(std::move(bytes))};
}

std::string version_of(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

void set_duration(google::protobuf::Duration* target, Duration value) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(value);
  target->set_seconds(seconds.count());
  target->set_nanos(static_cast<std::int32_t>((value - seconds).count()));
}

Result<std::string> to_json(const google::protobuf::Message& message) {
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json);
  if (!status.ok()) {
    return error(ErrorKind::Internal,
                 fmt::format("{} cannot be shown as JSON: {}", message.GetDescriptor()->full_name(),
                             std::string_view(status.message())));
  }
  return json;
}

Result<std::string> resource_to_json(std::string_view any_bytes) {
  // From the bytes, and not by way of a message: maps keep their order, so that the same resource is the same text.
  static google::protobuf::util::TypeResolver* const known_types =
      google::protobuf::util::NewTypeResolverForDescriptorPool("type.googleapis.com",
                                                               google::protobuf::DescriptorPool::generated_pool());
  google::protobuf::Any any;
  if (!any.ParseFromArray(any_bytes.data(), static_cast<int>(any_bytes.size()))) {
    return error(ErrorKind::Internal, "not a packed resource");
  }
  std::string json;
  const auto status = google::protobuf::util::BinaryToJsonString(known_types, any.type_url(), any.value(), &json);
  if (!status.ok()) {
    return error(ErrorKind::Internal, fmt::format("a resource of type {} cannot be shown: {}", any.type_url(),
                                                  std::string_view(status.message())));
  }
  return json;
}

}  // namespace mesh::envoy
