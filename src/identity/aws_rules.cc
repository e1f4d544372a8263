#include "identity/aws_rules.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace mesh {
namespace {

constexpr std::string_view kType = "kuma.io/type", kMesh = "kuma.io/mesh", kService = "kuma.io/service",
                           kWorkload = "kuma.io/workload";

const std::string* find(const RoleTags& tags, std::string_view key) {
  const auto found = tags.find(std::string(key));
  return found == tags.end() ? nullptr : &found->second;
}

std::string to_lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// A tag that somebody took for this one.
std::string look_alike(const RoleTags& tags, std::string_view key) {
  for (const auto& [other, value] : tags) {
    std::string bare = to_lower(other);
    std::erase(bare, ' ');
    if (other != key && bare == key) return "; " + quoted(other) + " is another tag";
  }
  return {};
}

void require(const RoleTags& tags, std::string_view key, const std::string& wanted,
             std::vector<std::string>& problems) {
  const std::string* value = find(tags, key);
  if (value == nullptr)
    problems.push_back("it has no tag " + std::string(key) + ", which must be " + quoted(wanted) +
                       look_alike(tags, key));
  else if (*value != wanted)
    problems.push_back("its tag " + std::string(key) + " is " + quoted(*value) + ", must be " + quoted(wanted));
}

// None: an empty part, a space at either end, two spaces together.
std::set<std::string> parts_of(const std::string& value, bool& is_good) {
  std::set<std::string> parts;
  std::size_t begin = 0;
  while (true) {
    const auto end = std::min(value.find(' ', begin), value.size());
    if (end == begin) is_good = false;
    parts.insert(value.substr(begin, end - begin));
    if (end == value.size()) return parts;
    begin = end + 1;
  }
}

void check_services(const RoleTags& tags, const ProxyClaims& claims, std::vector<std::string>& problems) {
  const std::string* value = find(tags, kService);
  if (value == nullptr) return;
  bool is_good = true;
  const auto allowed = parts_of(*value, is_good);
  if (!is_good)
    return problems.push_back("its tag kuma.io/service is " + quoted(*value) +
                              ", which must be names of services with one space between them");
  if (claims.services.empty())
    problems.push_back("its tag kuma.io/service is " + quoted(*value) + ", but the proxy has no service");
  for (const std::string& service : claims.services) {
    if (!allowed.contains(service))
      problems.push_back("its tag kuma.io/service is " + quoted(*value) + ", but the proxy claims service " +
                         quoted(service));
  }
}

std::string mesh_tags(const RoleTags& tags) {
  std::string out;
  for (const auto& [key, value] : tags) {
    if (to_lower(key).starts_with("kuma.io/")) out += (out.empty() ? "" : ", ") + key + "=" + value;
  }
  return out.empty() ? "no kuma.io/ tags" : "the tags " + out;
}

}  // namespace

Status check_role_tags(const RoleTags& tags, const ProxyClaims& claims, const std::string& role) {
  std::vector<std::string> problems;
  require(tags, kType, claims.type, problems);
  if (claims.type == "dataplane") require(tags, kMesh, claims.mesh, problems);
  check_services(tags, claims, problems);
  if (find(tags, kWorkload) != nullptr) require(tags, kWorkload, claims.workload, problems);
  if (problems.empty()) return {};
  std::string text = "role " + role + " may not run " + claims.type + " " + quoted(claims.name) +
                     (claims.mesh.empty() ? "" : " in mesh " + quoted(claims.mesh)) + ":";
  for (std::size_t i = 0; i < problems.size(); ++i) text += (i == 0 ? " " : "; ") + problems[i];
  return error(ErrorKind::Denied, text + ". The role has " + mesh_tags(tags));
}

}  // namespace mesh
