#include "ads/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "ads/wire_format.h"

namespace mesh {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxMetadataBytes = 1 << 20;
constexpr std::size_t kMaxIdBytes = 512;

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

// Each appends what it read to `out`; false: the bytes are not what they should be.
bool append_value(std::string& out, std::string_view bytes, int depth);

bool append_struct(std::string& out, std::string_view bytes, int depth) {
  if (depth > kMaxDepth) return false;
  std::map<std::string_view, std::string_view> fields;
  pb::Reader reader(bytes);
  while (const auto entry = reader.next()) {
    if (entry->number != 1 || entry->type != 2) continue;
    std::string_view key, value;
    pb::Reader parts(entry->bytes);
    while (const auto part = parts.next()) {
      if (part->type == 2 && part->number == 1) key = part->bytes;
      if (part->type == 2 && part->number == 2) value = part->bytes;
    }
    if (parts.failed() || !pb::is_utf8(key)) return false;
    fields[key] = value;
  }
  if (reader.failed()) return false;
  out.push_back('{');
  bool first = true;
  for (const auto& [key, value] : fields) {
    if (!std::exchange(first, false)) out.push_back(',');
    append_json_string(out, key);
    out.push_back(':');
    if (!append_value(out, value, depth + 1)) return false;
  }
  out.push_back('}');
  return true;
}

bool append_list(std::string& out, std::string_view bytes, int depth) {
  if (depth > kMaxDepth) return false;
  out.push_back('[');
  bool first = true;
  pb::Reader reader(bytes);
  while (const auto item = reader.next()) {
    if (item->number != 1 || item->type != 2) continue;
    if (!std::exchange(first, false)) out.push_back(',');
    if (!append_value(out, item->bytes, depth + 1)) return false;
  }
  out.push_back(']');
  return !reader.failed();
}

bool append_value(std::string& out, std::string_view bytes, int depth) {
  pb::Field last;  // of a oneof, the last one counts
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number >= 1 && field->number <= 6) last = *field;
  }
  if (reader.failed()) return false;
  switch (last.number * 10 + static_cast<unsigned>(last.type)) {
    case 21: {
      const auto number = std::bit_cast<double>(last.value);
      out += std::isfinite(number) ? fmt::format("{}", number) : "null";
      return true;
    }
    case 32:
      if (!pb::is_utf8(last.bytes)) return false;
      append_json_string(out, last.bytes);
      return true;
    case 40: out += last.value != 0 ? "true" : "false"; return true;
    case 52: return append_struct(out, last.bytes, depth + 1);
    case 62: return append_list(out, last.bytes, depth + 1);
    default: out += "null"; return true;
  }
}

// Envoy's own version: SemanticVersion, and what `envoy --version` prints of its build.
bool read_build_version(ProxyNode& node, std::string_view bytes) {
  std::map<std::string_view, std::string_view> build;
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->type != 2) continue;
    if (field->number == 1) {
      std::uint64_t numbers[3] = {0, 0, 0};
      pb::Reader version(field->bytes);
      while (const auto part = version.next()) {
        if (part->type == 0 && part->number >= 1 && part->number <= 3) numbers[part->number - 1] = part->value;
      }
      if (version.failed()) return false;
      node.envoy_version = fmt::format("{}.{}.{}", numbers[0], numbers[1], numbers[2]);
    } else if (field->number == 2) {
      pb::Reader entries(field->bytes);
      while (const auto entry = entries.next()) {
        if (entry->type != 2) continue;
        std::string_view key, text;
        pb::Reader parts(entry->bytes);
        while (const auto part = parts.next()) {
          if (part->type != 2) continue;
          if (part->number == 1) key = part->bytes;
          if (part->number != 2) continue;
          pb::Reader value(part->bytes);
          while (const auto string = value.next()) {
            if (string->number == 3 && string->type == 2) text = string->bytes;
          }
        }
        if (pb::is_utf8(text)) build[key] = text.substr(0, 128);
      }
    }
  }
  if (build.contains("revision.sha")) {
    node.envoy_build = fmt::format("{}/{}/{}/{}/{}", build["revision.sha"], node.envoy_version,
                                   build["revision.status"], build["build.type"], build["ssl.version"]);
  }
  return !reader.failed();
}

}  // namespace

Result<std::string> struct_to_json(std::string_view bytes) {
  if (bytes.size() > kMaxMetadataBytes) return invalid("node.metadata", "is too large");
  std::string json;
  if (!append_struct(json, bytes, 0)) return invalid("node.metadata", "cannot be read");
  return json;
}

namespace {

// The text at `key` of a Struct that was read already; empty: there is none.
std::string_view text_at(std::string_view bytes, std::string_view key) {
  std::string_view found;
  pb::Reader reader(bytes);
  while (const auto entry = reader.next()) {
    if (entry->number != 1 || entry->type != 2) continue;
    std::string_view name, text;
    pb::Reader parts(entry->bytes);
    while (const auto part = parts.next()) {
      if (part->type != 2) continue;
      if (part->number == 1) name = part->bytes;
      if (part->number != 2) continue;
      pb::Reader value(part->bytes);
      while (const auto field = value.next())
        text = field->number == 3 && field->type == 2 ? field->bytes : std::string_view();
    }
    if (name == key) found = text;
  }
  return found;
}

Result<ProxyRole> parse_type(std::string_view text) {
  const auto type = text.empty() ? ProxyRole::Dataplane : parse_proxy_type(text);
  if (!type) return invalid("node.metadata", "dataplane.proxyType must be dataplane, ingress or egress");
  return *type;
}

}  // namespace

Result<ProxyId> parse_node_id(std::string_view id) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  const auto dot = id.find('.');
  if (dot == std::string_view::npos || dot + 1 == id.size() || id.size() > kMaxIdBytes ||
      !std::all_of(id.begin(), id.end(), is_allowed)) {
    return invalid("node.id", "must be <mesh>.<name>, made of letters, digits, '-', '_' and '.'");
  }
  return ProxyId{std::string(id.substr(0, dot)), std::string(id.substr(dot + 1))};
}

Result<ProxyNode> parse_node(std::string_view bytes) {
  ProxyNode node;
  node.metadata_json = "{}";
  std::string_view id, type;
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->type != 2) continue;
    if (field->number == 1) {
      id = field->bytes;
    } else if (field->number == 3) {
      MESH_TRY(node.metadata_json, struct_to_json(field->bytes));
      type = text_at(field->bytes, "dataplane.proxyType");
    } else if (field->number == 7) {
      if (!pb::is_utf8(field->bytes)) return invalid("node", "cannot be read");
      node.envoy_version = field->bytes.substr(0, 128);
    } else if (field->number == 8) {
      if (!read_build_version(node, field->bytes)) return invalid("node", "cannot be read");
    }
  }
  if (reader.failed()) return invalid("node", "cannot be read");
  MESH_TRY(node.id, parse_node_id(id));
  MESH_TRY(node.id.type, parse_type(type));
  if (node.id.type != ProxyRole::Dataplane) node.id.mesh.clear();  // they belong to none
  return node;
}

}  // namespace mesh
