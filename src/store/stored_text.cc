#include "store/stored_text.h"

#include <boost/json.hpp>

namespace mesh {
namespace {

namespace json = boost::json;

using Parse = AnySpec (*)(const json::value&, std::vector<Violation>&);
using Print = json::value (*)(const AnySpec&);

Result<json::value> parse_json(std::string_view text) {
  json::error_code failed;
  json::parse_options options;
  options.max_depth = 128;
  options.allow_invalid_utf8 = true;  // written by us: better shown as it is than lost
  json::value value = json::parse(json::string_view(text.data(), text.size()), failed, {}, options);
  if (failed) return error(ErrorKind::Invalid, "not JSON: " + failed.message());
  return value;
}

std::string print_part(const AnySpec& part, Print print) {
  return part.empty() || print == nullptr ? std::string() : std::string(json::serialize(print(part)));
}

Result<AnySpec> read_part(std::string_view text, Parse parse) {
  if (text.empty() || parse == nullptr) return AnySpec();
  MESH_TRY(const json::value value, parse_json(text));
  std::vector<Violation> violations;
  AnySpec part = parse(value, violations);
  if (!violations.empty()) return Error{ErrorKind::Invalid, "", "cannot be read", std::move(violations)};
  return part;
}

}  // namespace

std::int64_t stored_time(SystemTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
SystemTime time_of_stored(std::int64_t number) {
  return SystemTime(std::chrono::duration_cast<SystemTime::duration>(std::chrono::nanoseconds(number)));
}

std::string stored_labels(const Labels& labels) {
  json::object object;
  for (const auto& [key, value] : labels) object[key] = value;
  return json::serialize(object);
}

Result<Labels> labels_of_stored(std::string_view text) {
  MESH_TRY(const json::value value, parse_json(text));
  if (!value.is_object()) return error(ErrorKind::Invalid, "labels are not an object");
  Labels labels;
  for (const auto& [key, label] : value.get_object()) {
    if (!label.is_string()) return error(ErrorKind::Invalid, "a label is not a text");
    labels.emplace(key, std::string(label.get_string()));
  }
  return labels;
}

std::string stored_spec(const Resource& resource) { return print_part(resource.spec, resource.key.kind->print); }
std::string stored_status(const Resource& resource) {
  return print_part(resource.status, resource.key.kind->print_status);
}
Result<AnySpec> spec_of_stored(const Kind& kind, std::string_view text) { return read_part(text, kind.parse); }
Result<AnySpec> status_of_stored(const Kind& kind, std::string_view text) { return read_part(text, kind.parse_status); }

}  // namespace mesh
