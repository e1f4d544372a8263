#include "ads/messages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ads/node.h"
#include "ads/wire_format.h"

namespace mesh {
namespace {

constexpr std::size_t kMaxReason = 4096;

Error unreadable() { return invalid("", "the request is not a discovery request"); }

bool take_text(std::string& out, const pb::Field& field) {
  if (field.type != 2 || !pb::is_utf8(field.bytes)) return false;
  out = field.bytes;
  return true;
}

// google.rpc.Status: why something was refused.
bool take_refusal(std::optional<std::string>& out, const pb::Field& field) {
  if (field.type != 2) return false;
  std::string reason = "no reason given";
  pb::Reader reader(field.bytes);
  while (const auto part = reader.next()) {
    if (part->number == 2 && !take_text(reason, *part)) return false;
  }
  if (reason.size() > kMaxReason) {
    reason.resize(kMaxReason);
    while (!reason.empty() && !pb::is_utf8(reason)) reason.pop_back();
  }
  out = std::move(reason);
  return !reader.failed();
}

bool take_version(std::map<std::string, std::string>& out, const pb::Field& field) {
  if (field.type != 2) return false;
  std::string name, version;
  pb::Reader reader(field.bytes);
  while (const auto part = reader.next()) {
    if (part->number == 1 && !take_text(name, *part)) return false;
    if (part->number == 2 && !take_text(version, *part)) return false;
  }
  // An empty version means in our state that the peer knows of the absence; such a resource it can only be sent again.
  if (!version.empty()) out[std::move(name)] = std::move(version);
  return !reader.failed() && out.size() <= DiscoveryState::kMaxNames;
}

bool take_name(std::vector<std::string>& out, const pb::Field& field) { return take_text(out.emplace_back(), field); }

// Small bodies are copied: a piece of its own costs more than the copy.
constexpr std::size_t kCopyBelow = 1024;

bool is_shared(const Edition& edition) { return edition.body()->size() >= kCopyBelow; }

// A message in pieces: `text` and then the resources, each behind what `append_head` writes before its body. Each piece
// of our own is made in its right size at once. `head_size` may be too large by a few bytes.
template <class HeadSize, class AppendHead>
std::vector<Bytes> in_pieces(std::string text, const std::vector<Edition>& resources, HeadSize head_size,
                             AppendHead append_head) {
  std::vector<Bytes> pieces;
  pieces.reserve(1 + 2 * static_cast<std::size_t>(std::ranges::count_if(resources, is_shared)));
  for (auto next = resources.begin(); next != resources.end();) {
    const auto shared = std::find_if(next, resources.end(), is_shared);
    std::size_t size = text.size();
    for (auto one = next; one != shared; ++one) size += head_size(*one) + one->body()->size();
    if (shared != resources.end()) size += head_size(*shared);
    text.reserve(size);
    for (; next != shared; ++next) {
      append_head(text, *next);
      text += *next->body();
    }
    if (next == resources.end()) break;
    append_head(text, *next);
    pieces.push_back(make_bytes(std::exchange(text, {})));
    pieces.push_back(next++->body());
  }
  if (!text.empty()) pieces.push_back(make_bytes(std::move(text)));
  return pieces;
}

// Of a field's tag and length.
constexpr std::size_t kMostOfPrefix = 11;
// What stands before the resources.
constexpr std::size_t kUsualHead = 192;

// An outbound listener needs its port: the application may have taken it. Its name ends in it.
std::string port_of_outbound(std::string_view listener) {
  if (!listener.starts_with("outbound:")) return {};
  return std::string(listener.substr(listener.rfind(':')));
}

}  // namespace

const DiscoveryPlan kXdsPlan = {
    // Clusters: taken away when no listener and no route refers to them any more.
    {.is_whole = true,
     .wildcard = Wildcard::Unnamed,
     .waits_for_earlier = true,
     .delays_later = true,
     .parent = {},
     .removal_rank = 2},
    // Endpoints go out right behind their clusters: Envoy does not answer for these before it has both.
    {.is_whole = false,
     .wildcard = Wildcard::Explicit,
     .waits_for_earlier = false,
     .delays_later = true,
     .parent = static_cast<std::size_t>(XdsType::Cluster),
     .removal_rank = 3},
    {.is_whole = true,
     .wildcard = Wildcard::Unnamed,
     .waits_for_earlier = true,
     .delays_later = true,
     .parent = {},
     .removal_rank = 0,
     .need = port_of_outbound},
    {.is_whole = false,
     .wildcard = Wildcard::Explicit,
     .waits_for_earlier = true,
     .delays_later = true,
     .parent = {},
     .removal_rank = 1},
    // Secrets refer to nothing, and clusters and listeners wait for them. A key goes only to who names it.
    {.is_whole = false,
     .wildcard = Wildcard::Never,
     .waits_for_earlier = false,
     .delays_later = false,
     .parent = {},
     .removal_rank = 4},
};

const std::string& type_url(XdsType type) {
  static const std::array<std::string, 5> kUrls = {
      "type.googleapis.com/envoy.config.cluster.v3.Cluster",
      "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
      "type.googleapis.com/envoy.config.listener.v3.Listener",
      "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
      "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
  };
  return kUrls[static_cast<std::size_t>(type)];
}

std::optional<XdsType> find_type(std::string_view url) {
  for (const XdsType type : kXdsTypes) {
    if (type_url(type) == url) return type;
  }
  return std::nullopt;
}

Result<ParsedRequest<SotwRequest>> parse_sotw_request(std::string_view bytes) {
  ParsedRequest<SotwRequest> request;
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    bool good = true;
    switch (field->number) {
      case 1: good = take_text(request.body.version, *field); break;
      case 2: {
        if (field->type != 2) return unreadable();
        MESH_TRY(request.node, parse_node(field->bytes));
        break;
      }
      case 3: good = take_name(request.body.names, *field); break;
      case 4: good = take_text(request.type_url, *field); break;
      case 5: good = take_text(request.body.nonce, *field); break;
      case 6: good = take_refusal(request.body.refusal, *field); break;
      default: break;
    }
    if (!good) return unreadable();
  }
  if (reader.failed()) return unreadable();
  return request;
}

Result<ParsedRequest<DeltaRequest>> parse_delta_request(std::string_view bytes) {
  ParsedRequest<DeltaRequest> request;
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    bool good = true;
    switch (field->number) {
      case 1: {
        if (field->type != 2) return unreadable();
        MESH_TRY(request.node, parse_node(field->bytes));
        break;
      }
      case 2: good = take_text(request.type_url, *field); break;
      case 3: good = take_name(request.body.subscribe, *field); break;
      case 4: good = take_name(request.body.unsubscribe, *field); break;
      case 5: good = take_version(request.body.initial_versions, *field); break;
      case 6: good = take_text(request.body.nonce, *field); break;
      case 7: good = take_refusal(request.body.refusal, *field); break;
      default: break;
    }
    if (!good) return unreadable();
  }
  if (reader.failed()) return unreadable();
  return request;
}

std::vector<Bytes> make_sotw_response(const Push& push) {
  std::string text;
  text.reserve(kUsualHead);
  pb::append_bytes(text, 1, push.version);
  pb::append_bytes(text, 4, type_url(static_cast<XdsType>(push.type)));
  pb::append_bytes(text, 5, push.nonce);
  return in_pieces(
      std::move(text), push.resources, [](const Edition&) { return kMostOfPrefix; },
      [](std::string& out, const Edition& edition) {
        pb::append_tag(out, 2, 2);
        pb::append_varint(out, edition.body()->size());
      });
}

std::vector<Bytes> make_delta_response(const Push& push) {
  std::string text;
  text.reserve(kUsualHead);
  pb::append_bytes(text, 1, push.version);
  pb::append_bytes(text, 4, type_url(static_cast<XdsType>(push.type)));
  pb::append_bytes(text, 5, push.nonce);
  for (const auto& name : push.removed) pb::append_bytes(text, 6, name);
  // Resource {version = 1, resource = 2, name = 3}
  return in_pieces(
      std::move(text), push.resources,
      [](const Edition& edition) { return 4 * kMostOfPrefix + edition.version_size() + edition.name().size(); },
      [](std::string& out, const Edition& edition) {
        const std::size_t version_size = edition.version_size();
        const std::size_t body_size = edition.body()->size();
        pb::append_tag(out, 2, 2);
        pb::append_varint(out, pb::bytes_field_size(version_size) + pb::bytes_field_size(body_size) +
                                   pb::bytes_field_size(edition.name().size()));
        pb::append_tag(out, 1, 2);
        pb::append_varint(out, version_size);
        edition.append_version(out);
        pb::append_bytes(out, 3, edition.name());
        pb::append_tag(out, 2, 2);
        pb::append_varint(out, body_size);
      });
}

}  // namespace mesh
