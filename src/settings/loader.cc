#include "settings/loader.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "model/yaml.h"
#include "settings/near_miss.h"

namespace mesh {
namespace {

namespace json = boost::json;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// apiServer.http.port → KUMA_API_SERVER_HTTP_PORT; what is below `kmesh` begins with KMESH_ instead.
std::string variable_of(std::string_view path) {
  std::string out = path.starts_with("kmesh.") ? "" : "KUMA_";
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '.') {
      out += '_';
      continue;
    }
    const bool word_begins =
        is_upper(c) && i > 0 && path[i - 1] != '.' &&
        (!is_upper(path[i - 1]) || (i + 1 < path.size() && path[i + 1] >= 'a' && path[i + 1] <= 'z'));
    if (word_begins) out += '_';
    out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

bool is_list_of_text(const TypeInfo& type) { return type.shape == Shape::List && type.element().shape == Shape::Text; }

void collect(const SettingsDescription& description, const TypeInfo& type, const std::string& prefix,
             std::size_t offset, std::vector<Setting>& out) {
  for (const FieldInfo& field : type.fields) {
    const TypeInfo& member = field.type();
    const std::string path = prefix.empty() ? field.json : prefix + "." + field.json;
    if (member.shape == Shape::Struct) {
      collect(description, member, path, offset + field.offset, out);
      continue;
    }
    const auto rule = std::ranges::find(description.rules, path, &SettingRule::path);
    Setting setting{.path = path, .variable = {}, .type = &member, .offset = offset + field.offset, .rule = nullptr};
    if (rule != description.rules.end()) setting.rule = &*rule;
    const bool fits_a_variable = member.shape != Shape::Raw && member.shape != Shape::Map &&
                                 (member.shape != Shape::List || is_list_of_text(member));
    if (fits_a_variable)
      setting.variable = setting.rule != nullptr && !setting.rule->variable.empty()
                             ? std::string(setting.rule->variable)
                             : variable_of(path);
    setting.without_effect = std::ranges::any_of(description.without_effect, [&](std::string_view listed) {
      return listed.ends_with('.') ? path.starts_with(listed) : path == listed;
    });
    out.push_back(std::move(setting));
  }
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

json::array split_list(std::string_view text) {
  json::array out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    out.emplace_back(json::string(trimmed(text.substr(0, comma))));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

// The text of a variable as the value that a YAML file would hold. What does not fit stays text, to be refused later.
json::value from_variable(const TypeInfo& type, const std::string& text) {
  switch (type.shape) {
    case Shape::Optional: return from_variable(type.element(), text);
    case Shape::List: return split_list(text);
    case Shape::Bool:
      for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes) return true;
      for (const char* no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no) return false;
      return json::string(text);
    default: return json::string(text);
  }
}

bool is_allowed(std::string_view allowed, std::string_view value) {
  while (true) {
    const std::size_t bar = allowed.find('|');
    if (allowed.substr(0, bar) == value) return true;
    if (bar == std::string_view::npos) return false;
    allowed.remove_prefix(bar + 1);
  }
}

// A member of a struct by its place.
void* at(void* settings, const Setting& setting) { return static_cast<char*>(settings) + setting.offset; }

class Loader {
 public:
  Loader(const SettingsDescription& description, void* settings)
      : settings_(settings), list_(list_settings(description)) {
    for (const Setting& setting : list_) {
      by_path_[lower(setting.path)] = &setting;
      if (!setting.variable.empty()) by_variable_[setting.variable] = &setting;
    }
  }

  Status read_yaml(std::string_view text) {
    auto document = parse_yaml_document(text);
    if (!document) return with_context(std::move(document).error(), "reading the settings file");
    if (document->is_null()) return {};
    if (!document->is_object()) return invalid("", "the settings file must hold a mapping of settings");
    walk(document->get_object(), "");
    return {};
  }

  void read_environment(const Environment& environment) {
    for (const auto& [name, value] : environment) {
      const auto known = by_variable_.find(name);
      if (known != by_variable_.end() && is_said(*known->second, value))
        set(*known->second, from_variable(*known->second->type, value), name);
      else if (known == by_variable_.end() && (name.starts_with("KUMA_") || name.starts_with("KMESH_")))
        warn_of_variable(name);
    }
  }

  Result<std::vector<std::string>> finish() {
    if (violations_.empty()) return std::move(warnings_);
    return Error{ErrorKind::Invalid,
                 {},
                 violations_.size() == 1 ? "a setting has a wrong value" : "settings have wrong values",
                 std::move(violations_)};
  }

 private:
  void walk(const json::object& object, const std::string& prefix) {
    for (const auto& [name, value] : object) {
      const std::string path =
          prefix.empty() ? std::string(name) : fmt::format("{}.{}", prefix, std::string_view(name));
      const auto known = by_path_.find(lower(path));
      if (known != by_path_.end()) {
        if (!value.is_null()) set(*known->second, value, known->second->path);
      } else if (is_section(lower(path) + ".")) {
        if (value.is_object())
          walk(value.get_object(), path);
        else if (!value.is_null())
          violations_.push_back({path, "is a group of settings and must be a mapping"});
      } else {
        warn_of_key(path);
      }
    }
  }

  // An empty variable empties a text or a list. Elsewhere it says nothing: task definitions have it for parameters that
  // were left out.
  static bool is_said(const Setting& setting, const std::string& value) {
    if (!value.empty()) return true;
    const bool has_choices = setting.rule != nullptr && !setting.rule->allowed.empty();
    return setting.type->shape == Shape::List || (setting.type->shape == Shape::Text && !has_choices);
  }

  bool is_section(const std::string& prefix) const {
    const auto next = by_path_.lower_bound(prefix);
    return next != by_path_.end() && next->first.starts_with(prefix);
  }

  void set(const Setting& setting, const json::value& value, const std::string& where) {
    std::vector<Violation> found;
    // Elements would be appended to a default.
    if (setting.type->shape == Shape::List) clear_list(setting);
    const bool is_text_without_quotes = setting.type->shape == Shape::Text && (value.is_number() || value.is_bool());
    const json::value text =
        is_text_without_quotes ? json::value(json::string(print_json(value))) : value;  // a password such as 1234
    read_described(*setting.type, text, at(settings_, setting), Dialect::Flat, "", found);
    if (found.empty() && setting.rule != nullptr) check(setting, found);
    if (found.empty()) {
      if (setting.without_effect) warnings_.push_back(where + " is accepted, but has no effect in this version");
      return;
    }
    violations_.push_back({where, fmt::format("is {}; must be {}", shown(setting, value), allowed_values(setting))});
  }

  void clear_list(const Setting& setting) {
    if (is_list_of_text(*setting.type)) static_cast<std::vector<std::string>*>(at(settings_, setting))->clear();
  }

  void check(const Setting& setting, std::vector<Violation>& found) {
    const SettingRule& rule = *setting.rule;
    if (!rule.allowed.empty() && setting.type->shape == Shape::Text &&
        !is_allowed(rule.allowed, *static_cast<const std::string*>(at(settings_, setting))))
      found.push_back({});
    if (!rule.min && !rule.max) return;
    const json::value stored = print_described(*setting.type, at(settings_, setting), Dialect::Spec);
    if (!stored.is_number()) return;
    const double number = stored.to_number<double>();
    if (number < rule.min.value_or(number) || number > rule.max.value_or(number)) found.push_back({});
  }

  static std::string shown(const Setting& setting, const json::value& value) {
    if (setting.rule != nullptr && setting.rule->secret) return "not right";
    return value.is_string() ? fmt::format("\"{}\"", std::string_view(value.get_string()).substr(0, 100))
                             : print_json(value).substr(0, 100);
  }

  void warn_of_variable(const std::string& name) {
    std::vector<std::string_view> known;
    for (const auto& [variable, setting] : by_variable_) known.push_back(variable);
    if (const auto near = find_near_miss(name, known))
      warnings_.push_back(fmt::format("the variable {} is not known; did you mean {}?", name, *near));
  }

  void warn_of_key(const std::string& path) {
    std::vector<std::string_view> known;  // settings, and the groups that they are in
    for (const auto& [lowered, setting] : by_path_) {
      const std::string_view full = setting->path;
      for (std::size_t end = full.find('.'); end != std::string_view::npos; end = full.find('.', end + 1))
        known.push_back(full.substr(0, end));
      known.push_back(full);
    }
    if (const auto near = find_near_miss(path, known))
      warnings_.push_back(fmt::format("the key {} in the settings file is not known; did you mean {}?", path, *near));
  }

  void* settings_;
  std::vector<Setting> list_;
  std::map<std::string, const Setting*, std::less<>> by_path_;  // in lower case
  std::map<std::string, const Setting*, std::less<>> by_variable_;
  std::vector<Violation> violations_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::vector<Setting> list_settings(const SettingsDescription& description) {
  std::vector<Setting> out;
  collect(description, description.type, "", 0, out);
  return out;
}

Result<std::vector<std::string>> load_settings(const SettingsDescription& description, std::string_view yaml,
                                               const Environment& environment, void* settings) {
  Loader loader(description, settings);
  MESH_RETURN_IF_ERROR(loader.read_yaml(yaml));
  loader.read_environment(environment);
  return loader.finish();
}

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (const std::size_t equals = text.find('='); equals != std::string_view::npos)
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

}  // namespace mesh
