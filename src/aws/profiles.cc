// Profiles in ~/.aws/config and ~/.aws/credentials.
#include <algorithm>

#include "aws/sources.h"
#include "aws/sts.h"
#include "base/files.h"

namespace mesh::aws {
namespace {

using Profile = std::map<std::string, std::string>;
using Profiles = std::map<std::string, Profile>;
constexpr int kLongestChain = 8;

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Sections with "name = value" lines. In the config file a profile is called "profile x", but for "default".
void read_profiles(std::string_view text, bool is_config, Profiles& out) {
  Profile* current = nullptr;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      std::string_view name = trim(line.substr(1, line.size() - 2));
      const bool has_word = name.starts_with("profile ");
      if (is_config && has_word) name = trim(name.substr(8));
      const bool is_profile = !is_config || has_word || name == "default";
      current = is_profile ? &out[std::string(name)] : nullptr;
      continue;
    }
    const auto equal = line.find('=');
    const bool is_nested = raw.front() == ' ' || raw.front() == '\t';  // below "s3 =" and the like
    if (current == nullptr || equal == std::string_view::npos || is_nested) continue;
    (*current)[std::string(trim(line.substr(0, equal)))] = std::string(trim(line.substr(equal + 1)));
  }
}

Profiles load_profiles(const Environment& environment) {
  const auto path = [&](const char* variable, const char* file) {
    const std::string set = environment.get(variable);
    return !set.empty() ? set : environment.has("HOME") ? environment.get("HOME") + file : std::string();
  };
  Profiles out;
  // The credentials file is read last: what it says of a profile wins.
  for (const auto& [file, is_config] : {std::pair{path("AWS_CONFIG_FILE", "/.aws/config"), true},
                                        {path("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"), false}}) {
    if (file.empty()) continue;
    if (const auto text = read_file(file, 1UL << 20)) read_profiles(*text, is_config, out);
  }
  return out;
}

std::string value_of(const Profile& profile, const std::string& name) {
  const auto found = profile.find(name);
  return found == profile.end() ? std::string() : found->second;
}

std::string profile_name(const Environment& environment) {
  const std::string name = environment.get("AWS_PROFILE");
  return name.empty() ? "default" : name;
}

class ProfileReader {
 public:
  ProfileReader(const ChainNeeds& needs, const Profiles& profiles) : needs_(needs), profiles_(profiles) {}

  Found load(const std::string& name, int depth) {
    const auto found = profiles_.find(name);
    const std::string where = "profile \"" + name + "\"";
    if (found == profiles_.end()) return invalid(where, "does not exist in the AWS config and credentials files");
    if (depth > kLongestChain) return invalid(where, "is reached by its source_profile again and again");
    const Profile& profile = found->second;
    for (const char* unsupported : {"credential_process", "sso_session", "sso_account_id"}) {
      if (profile.contains(unsupported) && !profile.contains("role_arn") && !profile.contains("aws_access_key_id")) {
        return invalid(where,
                       std::string("uses ") + unsupported + ", which this program does not; give it keys or a role");
      }
    }
    if (!value_of(profile, "role_arn").empty()) {
      // A role whose source is the profile itself is assumed with the keys beside it.
      if (value_of(profile, "source_profile") == name) return assume(profile, where, static_keys(profile, where));
      return assume(profile, where, source_of(profile, where, depth));
    }
    return static_keys(profile, where);
  }

 private:
  Found static_keys(const Profile& profile, const std::string& where) {
    Credentials out;
    out.source = where;
    out.keys.access_key_id = value_of(profile, "aws_access_key_id");
    out.keys.secret_access_key = Secret(value_of(profile, "aws_secret_access_key"));
    out.keys.session_token = Secret(value_of(profile, "aws_session_token"));
    if (out.keys.access_key_id.empty() && out.keys.secret_access_key.empty()) return std::optional<Credentials>();
    if (out.keys.access_key_id.empty() || out.keys.secret_access_key.empty())
      return invalid(where, "has only half of its keys");
    return std::optional(std::move(out));
  }

  Found source_of(const Profile& profile, const std::string& where, int depth) {
    if (const std::string source = value_of(profile, "source_profile"); !source.empty()) return load(source, depth + 1);
    const std::string source = value_of(profile, "credential_source");
    if (source == "Environment") return load_from_environment(needs_);
    if (source == "EcsContainer") return load_from_container(needs_);
    if (source == "Ec2InstanceMetadata") return load_from_instance(needs_);
    if (!value_of(profile, "web_identity_token_file").empty()) return std::optional<Credentials>();  // needs none
    return invalid(where,
                   "has a role_arn, but neither source_profile nor a credential_source of Environment, EcsContainer or "
                   "Ec2InstanceMetadata");
  }

  Found assume(const Profile& profile, const std::string& where, Found source) {
    if (!source) return source;
    RoleToAssume role{.role_arn = value_of(profile, "role_arn"),
                      .session_name = value_of(profile, "role_session_name"),
                      .external_id = value_of(profile, "external_id")};
    MESH_TRY(const Region* region, find_own_region(needs_));
    MESH_TRY(const Endpoint endpoint, sts_endpoint(*region, preferred_sts_endpoint(needs_.environment)));
    if (const std::string file = value_of(profile, "web_identity_token_file"); !file.empty()) {
      MESH_TRY(std::string token, read_file(file, 64UL << 10));
      MESH_TRY(Credentials out, assume_role_with_web_identity(needs_.caller, endpoint, role, Secret(std::move(token))));
      return std::optional(std::move(out));
    }
    if (!*source) return invalid(where, "finds no keys to assume its role with");
    MESH_TRY(Credentials out, assume_role(needs_.caller, endpoint, (*source)->keys, role));
    return std::optional(std::move(out));
  }

  const ChainNeeds& needs_;
  const Profiles& profiles_;
};

}  // namespace

std::string profile_region(const Environment& environment) {
  const Profiles profiles = load_profiles(environment);
  const auto found = profiles.find(profile_name(environment));
  return found == profiles.end() ? std::string() : value_of(found->second, "region");
}

Found load_from_profile(const ChainNeeds& needs) {
  const Profiles profiles = load_profiles(needs.environment);
  const std::string name = profile_name(needs.environment);
  // Only a profile that was asked for must exist.
  if (!needs.environment.has("AWS_PROFILE") && !profiles.contains(name)) return std::optional<Credentials>();
  return ProfileReader(needs, profiles).load(name, 0);
}

}  // namespace mesh::aws
