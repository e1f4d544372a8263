#include "model/hostname_template.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "model/rules.h"

namespace mesh {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// What stands between {{ and }}: "-" beside them takes blanks of the text outside away.
struct Action {
  std::string_view text;
  bool trims_left = false, trims_right = false;
};

Action action_of(std::string_view inside) {
  Action action;
  if (inside.size() >= 2 && inside.front() == '-' && kBlanks.contains(inside[1])) {
    action.trims_left = true;
    inside.remove_prefix(1);
  }
  if (inside.size() >= 2 && inside.back() == '-' && kBlanks.contains(inside[inside.size() - 2])) {
    action.trims_right = true;
    inside.remove_suffix(1);
  }
  action.text = trimmed(inside);
  return action;
}

// The name in quotes after `label`; nullopt when it is no such thing.
std::optional<std::string> label_of(std::string_view action) {
  constexpr std::string_view function = "label";
  if (!action.starts_with(function)) return std::nullopt;
  const std::string_view argument = trimmed(action.substr(function.size()));
  if (argument.size() < 2 || (argument.front() != '"' && argument.front() != '`') ||
      argument.back() != argument.front())
    return std::nullopt;
  const std::string_view name = argument.substr(1, argument.size() - 2);
  if (name.find_first_of("\"\\`") != std::string_view::npos) return std::nullopt;
  return std::string(name);
}

Error cannot_parse(std::string why) { return invalid("", "the template cannot be parsed: " + std::move(why)); }

}  // namespace

Result<HostnameTemplate> HostnameTemplate::parse(std::string_view text) {
  constexpr std::array fields = {std::pair{".Name", What::Name}, std::pair{".DisplayName", What::DisplayName},
                                 std::pair{".Namespace", What::Namespace}, std::pair{".Mesh", What::Mesh},
                                 std::pair{".Zone", What::Zone}};
  HostnameTemplate out;
  bool trim_next = false;
  while (!text.empty()) {
    const std::size_t open = text.find("{{");
    std::string_view plain = text.substr(0, open);
    if (trim_next) plain.remove_prefix(std::min(plain.size(), plain.find_first_not_of(kBlanks)));
    trim_next = false;
    if (open == std::string_view::npos) {
      if (!plain.empty()) out.pieces_.push_back({What::Text, std::string(plain)});
      break;
    }
    const std::size_t close = text.find("}}", open + 2);
    if (close == std::string_view::npos) return cannot_parse("a \"{{\" has no \"}}\"");
    const Action action = action_of(text.substr(open + 2, close - open - 2));
    if (action.trims_left) plain = plain.substr(0, plain.find_last_not_of(kBlanks) + 1);
    if (!plain.empty()) out.pieces_.push_back({What::Text, std::string(plain)});
    trim_next = action.trims_right;
    text.remove_prefix(close + 2);
    if (action.text.starts_with("/*") && action.text.ends_with("*/")) continue;  // a comment

    const auto field = std::ranges::find_if(fields, [&](const auto& each) { return action.text == each.first; });
    if (field != fields.end())
      out.pieces_.push_back({field->second, {}});
    else if (auto label = label_of(action.text))
      out.pieces_.push_back({What::Label, *std::move(label)});
    else
      return cannot_parse(
          fmt::format("\"{{{{ {} }}}}\" is not known; there are .DisplayName, .Name, .Namespace, .Mesh, "
                      ".Zone and label \"<name>\"",
                      action.text.substr(0, 60)));
  }
  return out;
}

Result<std::string> HostnameTemplate::render(const HostnameFields& fields) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.what) {
      case What::Text: out += piece.text; break;
      case What::Name: out += fields.name; break;
      case What::DisplayName: out += fields.display_name; break;
      case What::Namespace: out += fields.namespace_; break;
      case What::Mesh: out += fields.mesh; break;
      case What::Zone: out += fields.zone; break;
      case What::Label: {
        if (fields.labels == nullptr) {
          out += "label";  // an example
          break;
        }
        const auto label = fields.labels->find(piece.text);
        if (label == fields.labels->end()) return invalid("", fmt::format("label {} not found", piece.text));
        out += label->second;
        break;
      }
    }
  }
  if (!is_subdomain(out))
    return invalid("",
                   fmt::format("renders to \"{}\", which is not a valid DNS name: a lowercase RFC 1123 subdomain is "
                               "made of lower case letters, digits, '-' and '.', and each part between dots begins "
                               "and ends with a letter or digit",
                               out.substr(0, 300)));
  return out;
}

Status check_hostname_template(std::string_view text) {
  MESH_TRY(const HostnameTemplate parsed, HostnameTemplate::parse(text));
  const HostnameFields example{.name = "name",
                               .display_name = "displayname",
                               .namespace_ = "namespace",
                               .mesh = "mesh",
                               .zone = "zone",
                               .labels = nullptr};
  MESH_RETURN_IF_ERROR(parsed.render(example));
  return {};
}

}  // namespace mesh
