#include "admission/access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace mesh {

User admin_user() { return {.name = kAdmin, .groups = {kAdmin}}; }
User anonymous_user() { return {.name = "mesh-system:anonymous", .groups = {kUnauthenticatedGroup}}; }

User with_authenticated_group(User user) {
  if (std::ranges::find(user.groups, kAuthenticatedGroup) == user.groups.end())
    user.groups.emplace_back(kAuthenticatedGroup);
  return user;
}

Status check_access(const Allowed& allowed, const User& user, std::string_view what) {
  const auto names = [](const std::vector<std::string>& list, const std::string& name) {
    return std::ranges::find(list, name) != list.end();
  };
  if (names(allowed.users, user.name)) return {};
  for (const std::string& group : user.groups)
    if (names(allowed.groups, group)) return {};
  return error(ErrorKind::Denied, fmt::format("access denied: user \"{}\" of groups [{}] may not {}", user.name,
                                              fmt::join(user.groups, ", "), what));
}

Status check_kind_access(const AccessSettings& settings, const User& user, const Kind& kind) {
  if (!kind.admin_only) return {};
  return check_access(settings.admin_resources, user, fmt::format("access resources of type {}", kind.name));
}

}  // namespace mesh
