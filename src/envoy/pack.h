// From messages to what goes over the wire and to what people read. The same message gives the same bytes, always and
// on every machine: a version is a hash of them, and equal bytes are never sent twice.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace google::protobuf {
class Any;
class Duration;
class Message;
}  // namespace google::protobuf

namespace mesh::envoy {

std::string serialize(const google::protobuf::Message& message);

// Any's own PackFrom writes maps in any order; this one does not.
void pack_any(const google::protobuf::Message& message, google::protobuf::Any& into);

// A resource as discovery sends it: the body is a serialised Any. Without a version it gets that of its bytes.
NamedResourcePtr make_resource(std::string name, const google::protobuf::Message& message, std::string version = {});

// How many resources this process has made so far: what a change costs can be counted.
std::uint64_t resources_made();

// Fifteen letters and digits that change when the bytes do. No protection against intent: hash only what we made.
std::string version_of(std::string_view bytes);

void set_duration(google::protobuf::Duration* target, Duration value);

// Compact JSON, in protobuf's mapping (camelCase, "@type" in an Any). Internal: the message holds an Any of a type that
// this program does not know.
Result<std::string> to_json(const google::protobuf::Message& message);

// The resource in `any_bytes` (the body of a NamedResource) as JSON, without its "@type".
Result<std::string> resource_to_json(std::string_view any_bytes);

}  // namespace mesh::envoy
