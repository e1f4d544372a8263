#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include "model/json.h"
#include "settings/loader.h"

namespace mesh {
namespace {

namespace json = boost::json;

const void* at(const void* settings, const Setting& setting) {
  return static_cast<const char*>(settings) + setting.offset;
}

// The value at `path` of a document that has it.
json::value& value_at(json::value& document, std::string_view path) {
  json::value* here = &document;
  while (true) {
    const std::size_t dot = path.find('.');
    here = &here->get_object()[path.substr(0, dot)];
    if (dot == std::string_view::npos) return *here;
    if (here->is_null()) here->emplace_object();
    path.remove_prefix(dot + 1);
  }
}

}  // namespace

std::string allowed_values(const Setting& setting) {
  const TypeInfo& type = setting.type->shape == Shape::Optional ? setting.type->element() : *setting.type;
  if (setting.rule != nullptr && !setting.rule->allowed.empty()) {
    std::string words(setting.rule->allowed);
    if (words.starts_with('|')) words.insert(0, "empty");
    for (std::size_t bar = words.rfind('|'), last = bar; bar != std::string::npos;
         bar = bar == 0 ? std::string::npos : words.rfind('|', bar - 1))
      words.replace(bar, 1, bar == last ? " or " : ", ");
    return words;
  }
  switch (type.shape) {
    case Shape::Bool: return "true or false";
    case Shape::Signed:
    case Shape::Unsigned:
    case Shape::Real:
      return setting.rule != nullptr && setting.rule->max
                 ? fmt::format("a number from {} to {}", setting.rule->min.value_or(0), *setting.rule->max)
                 : "a number";
    case Shape::Period: return "a duration such as 5s or 1h30m";
    case Shape::List: return "a list";
    default: return "text";
  }
}

json::value show_settings(const SettingsDescription& description, const void* settings) {
  json::value out = json::object();
  for (const Setting& setting : list_settings(description)) {
    json::value shown = print_described(*setting.type, at(settings, setting), Dialect::Spec);
    const bool is_secret = setting.rule != nullptr && setting.rule->secret;
    if (is_secret && shown.is_string() && !shown.get_string().empty()) shown = "*****";
    if (shown.is_null() && setting.type->shape == Shape::List) shown = json::array();
    value_at(out, setting.path) = std::move(shown);
  }
  return out;
}

std::string settings_reference(const SettingsDescription& description, const void* settings) {
  std::string out = "| Variable | In the file | Default | Meaning |\n|---|---|---|---|\n";
  for (const Setting& setting : list_settings(description)) {
    const json::value value = print_described(*setting.type, at(settings, setting), Dialect::Spec);
    const std::string shown = value.is_null()     ? ""
                              : value.is_string() ? std::string(value.get_string())
                                                  : print_json(value);
    const bool is_secret = setting.rule != nullptr && setting.rule->secret;
    std::string doc(setting.rule == nullptr ? "" : setting.rule->doc);
    if (setting.rule != nullptr && !setting.rule->allowed.empty())
      doc += fmt::format(" May be {}.", allowed_values(setting));
    if (setting.without_effect) doc += " *Accepted, without effect in this version.*";
    out += fmt::format("| {} | `{}` | {} | {} |\n", setting.variable.empty() ? "" : "`" + setting.variable + "`",
                       setting.path,
                       shown.empty() ? ""
                       : is_secret   ? "(secret)"
                                     : "`" + shown + "`",
                       doc);
  }
  return out;
}

}  // namespace mesh
