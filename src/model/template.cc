#include "model/template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace mesh {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

auto line_of(std::string_view text, std::size_t offset) { return std::ranges::count(text.substr(0, offset), '\n') + 1; }

}  // namespace

Result<std::string> render_template(std::string_view text, const std::map<std::string, std::string>& variables) {
  std::string out;
  std::vector<std::string> unset;
  std::size_t first_unset_line = 0;
  std::size_t done = 0;
  while (true) {
    const std::size_t open = text.find("{{", done);
    out += text.substr(done, open - done);
    if (open == std::string_view::npos) break;
    const std::size_t line = static_cast<std::size_t>(line_of(text, open));
    const bool triple = text.substr(open).starts_with("{{{");
    const std::string_view closing = triple ? "}}}" : "}}";
    const std::size_t close = text.find(closing, open + closing.size());
    if (close == std::string_view::npos)
      return invalid(fmt::format("line {}", line),
                     fmt::format("the placeholder that begins here has no closing {}", closing));

    std::string_view name = trimmed(text.substr(open + closing.size(), close - open - closing.size()));
    done = close + closing.size();
    if (name.starts_with('!')) continue;
    if (name.starts_with('&')) name = trimmed(name.substr(1));
    if (name.empty()) return invalid(fmt::format("line {}", line), "the placeholder names no variable");
    if (std::string_view("#/^>=").contains(name.front()))
      return invalid(fmt::format("line {}", line),
                     fmt::format("\"{{{{{}}}}}\" is not supported: only variables are replaced", name));

    const auto value = variables.find(std::string(name));
    if (value != variables.end()) {
      out += value->second;
    } else {
      if (unset.empty()) first_unset_line = line;
      unset.push_back(fmt::format("\"{}\" (line {})", name, line));
    }
  }
  if (unset.empty()) return out;

  std::string known;
  for (const auto& [name, value] : variables) known += (known.empty() ? "" : ", ") + name;
  return invalid(fmt::format("line {}", first_unset_line),
                 fmt::format("no value for {}; there are values for: {}", fmt::join(unset, ", "),
                             known.empty() ? "nothing" : known));
}

}  // namespace mesh
