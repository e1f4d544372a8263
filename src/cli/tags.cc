#include "cli/tags.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <map>
#include <set>

#include "cli/fields.h"
#include "cli/session.h"

namespace mesh::cli {

namespace {

using TagSet = std::map<std::string, std::set<std::string>>;

void add(TagSet& set, const boost::json::value& tags) {
  if (!tags.is_object()) return;
  for (const auto& [key, text] : tags.get_object()) {
    if (text.is_string()) set[std::string(key)].emplace(text.get_string());
  }
}

}  // namespace

std::string tags_text(const boost::json::value& resource) {
  TagSet set;
  add(set, value_at(resource, {"tags"}));
  add(set, value_at(resource, {"networking", "gateway", "tags"}));
  for (const auto& inbound : items_at(resource, {"networking", "inbound"})) add(set, value_at(inbound, {"tags"}));
  std::string out;
  for (const auto& [key, values] : set) {
    out += (out.empty() ? "" : " ") + key + "=";
    bool first = true;
    for (const auto& text : values) {
      if (!first) out += ',';
      out += text;
      first = false;
    }
  }
  return out;
}

}  // namespace mesh::cli
