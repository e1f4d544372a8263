// Settings are a described struct (model/describe.h) whose members have their defaults, and a table with one row per
// value: what it is for, and what C++ does not say of it. From both come reading a YAML file and the environment, the
// document that shows what is in effect, and the reference page. The same machine serves every program.
#pragma once

#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/describe.h"

namespace mesh {

struct SettingRule {
  std::string_view path;  // in YAML, such as "apiServer.http.port"
  std::string_view doc;
  std::string_view variable = {};  // where it is not KUMA_ and the path in capitals
  std::string_view allowed = {};   // of a text: the values it may have, "a|b"
  std::optional<double> min = {}, max = {};
  bool secret = false;  // shown as *****
};

struct SettingsDescription {
  const TypeInfo& type;
  std::span<const SettingRule> rules;
  // Settings, or groups of them ("ipam."), that are accepted and have no effect in this version: who sets one is told.
  std::span<const std::string_view> without_effect = {};
};

using Environment = std::map<std::string, std::string>;
Environment process_environment();

// Reads `yaml` (may be empty), then the variables, which win, over what `settings` holds. Returns warnings: keys and
// variables that nobody knows but that look like one that is known, and such that have no effect. Invalid names each
// wrong value by its variable or path, with the value and what is allowed. In YAML the case of keys does not matter.
Result<std::vector<std::string>> load_settings(const SettingsDescription& description, std::string_view yaml,
                                               const Environment& environment, void* settings);

// All settings, in the order of the struct; secrets that are set show as "*****".
boost::json::value show_settings(const SettingsDescription& description, const void* settings);

// A table in Markdown: variable, path, default, meaning. `settings` holds the defaults.
std::string settings_reference(const SettingsDescription& description, const void* settings);

// One value of the struct, for whoever walks it.
struct Setting {
  std::string path;      // "apiServer.http.port"
  std::string variable;  // "KUMA_API_SERVER_HTTP_PORT"; empty for a list of objects, which only YAML can hold
  const TypeInfo* type = nullptr;
  std::size_t offset = 0;
  const SettingRule* rule = nullptr;  // null: the table has no row for it
  bool without_effect = false;
};
std::vector<Setting> list_settings(const SettingsDescription& description);
std::string allowed_values(const Setting& setting);  // in words: "a number from 0 to 65535"

}  // namespace mesh
