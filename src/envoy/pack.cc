#include "envoy/pack.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <xxhash.h>

#include <atomic>

namespace mesh::envoy {
namespace {

std::atomic<std::uint64_t> made{0};

constexpr std::string_view kTypePrefix = "type.googleapis.com/";

// After message.ByteSizeLong(), whose answer is the room that there must be.
void write_deterministically(const google::protobuf::Message& message, char* target, std::size_t size) {
  google::protobuf::io::ArrayOutputStream sink(target, static_cast<int>(size));
  google::protobuf::io::CodedOutputStream stream(&sink);
  stream.SetSerializationDeterministic(true);
  message.SerializeWithCachedSizes(&stream);
}

// Into a string of the right size at once: one that grows while it is written to costs as much as the writing.
std::string serialize_deterministically(const google::protobuf::Message& message) {
  std::string out(message.ByteSizeLong(), '\0');
  write_deterministically(message, out.data(), out.size());
  return out;
}

// A string or bytes field of protobuf's wire format: its tag, its length and room for what it holds. Returns where that
// begins in `out`.
std::size_t append_field(int number, std::size_t size, std::string& out) {
  out += static_cast<char>(number << 3 | 2);
  std::size_t rest = size;
  for (; rest >= 0x80; rest >>= 7) out += static_cast<char>((rest & 0x7f) | 0x80);
  out += static_cast<char>(rest);
  const std::size_t begin = out.size();
  out.resize(begin + size);
  return begin;
}

// The bytes of an Any that holds the message: written once, where an Any would have them written and copied.
std::string serialize_as_any(const google::protobuf::Message& message) {
  const std::string& type = message.GetDescriptor()->full_name();
  const std::size_t size = message.ByteSizeLong();
  std::string out;
  out.reserve(size + kTypePrefix.size() + type.size() + 16);
  const std::size_t url =
      append_field(google::protobuf::Any::kTypeUrlFieldNumber, kTypePrefix.size() + type.size(), out);
  kTypePrefix.copy(out.data() + url, kTypePrefix.size());
  type.copy(out.data() + url + kTypePrefix.size(), type.size());
  if (size == 0) return out;
  const std::size_t value = append_field(google::protobuf::Any::kValueFieldNumber, size, out);
  write_deterministically(message, out.data() + value, size);
  return out;
}

}  // namespace

std::string serialize(const google::protobuf::Message& message) { return serialize_deterministically(message); }

void pack_any(const google::protobuf::Message& message, google::protobuf::Any& into) {
  const std::string& type = message.GetDescriptor()->full_name();
  std::string& url = *into.mutable_type_url();
  url.reserve(kTypePrefix.size() + type.size());
  url = kTypePrefix;
  url += type;
  std::string& value = *into.mutable_value();
  value.resize(message.ByteSizeLong());
  write_deterministically(message, value.data(), value.size());
}

NamedResourcePtr make_resource(std::string name, const google::protobuf::Message& message, std::string version) {
  made.fetch_add(1, std::memory_order_relaxed);
  std::string bytes = serialize_as_any(message);
  if (version.empty()) version = version_of(bytes);
  return make_named(std::move(name), std::move(version), make_bytes(std::move(bytes)));
}

std::uint64_t resources_made() { return made.load(std::memory_order_relaxed); }

// Fifteen characters are what a string holds without memory of its own, and versions are copied a lot.
std::string version_of(std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  std::string out(15, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool is_first_half = i < 10;
    out[i] = kDigits[((is_first_half ? hash.low64 : hash.high64) >> (6 * (is_first_half ? i : i - 10))) & 63];
  }
  return out;
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
