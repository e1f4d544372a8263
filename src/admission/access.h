// Who may do what, beside what everybody may: secrets, tokens and what proxies show are for the users and groups that
// the settings name (KUMA_ACCESS_STATIC_*). One function asks, for the REST interface as for writes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "identity/tokens.h"
#include "model/kind.h"

namespace mesh {

inline constexpr const char* kAdmin = "mesh-system:admin";  // a user and a group
inline constexpr const char* kAuthenticatedGroup = "mesh-system:authenticated";
inline constexpr const char* kUnauthenticatedGroup = "mesh-system:unauthenticated";

User admin_user();
User anonymous_user();                     // who sent no credentials
User with_authenticated_group(User user);  // who proved to be `user`

struct Allowed {
  std::vector<std::string> users = {kAdmin};
  std::vector<std::string> groups = {kAdmin};
};

struct AccessSettings {
  Allowed admin_resources;  // kinds that are `admin_only`: to read as to write
  Allowed generate_dp_token;
  Allowed generate_user_token;
  Allowed generate_zone_token;
  Allowed view_config_dump{{}, {kUnauthenticatedGroup, kAuthenticatedGroup}};
  Allowed view_stats{{}, {kUnauthenticatedGroup, kAuthenticatedGroup}};
  Allowed view_clusters{{}, {kUnauthenticatedGroup, kAuthenticatedGroup}};
  Allowed control_plane_metadata{{}, {kUnauthenticatedGroup, kAuthenticatedGroup}};
};

// Denied unless `allowed` names the user or one of its groups. `what` completes "… may not <what>".
Status check_access(const Allowed& allowed, const User& user, std::string_view what);

// May `user` read or write resources of this kind at all?
Status check_kind_access(const AccessSettings& settings, const User& user, const Kind& kind);

}  // namespace mesh
