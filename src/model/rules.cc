#include "model/rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace mesh {
namespace {

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) { return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z'); }

// Calls `check` for each part of `text` between dots, an empty one too. All must hold.
template <class Check>
bool all_parts(std::string_view text, Check check) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!check(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

template <class Extra>
bool consists_of(std::string_view text, Extra also) {
  return std::ranges::all_of(text, [&](char c) { return is_alphanumeric(c) || also(c); });
}

// Letters, digits, '-', '_' and '.', with a letter or digit at both ends.
bool is_label_part(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         consists_of(text, [](char c) { return c == '-' || c == '_' || c == '.'; });
}

}  // namespace

std::string at_key(const std::string& path, std::string_view key) { return fmt::format("{}[\"{}\"]", path, key); }
std::string at_index(const std::string& path, std::size_t index) { return fmt::format("{}[{}]", path, index); }

bool is_ip_address(std::string_view text) {
  if (text.size() > 45) return false;
  const std::string address(text);
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, address.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
}

bool is_host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253 || is_ip_address(text)) return false;
  return all_parts(text, [](std::string_view part) {
    return !part.empty() && part.size() <= 63 && part.front() != '-' &&
           consists_of(part, [](char c) { return c == '-' || c == '_'; });
  });
}

bool is_subdomain(std::string_view text) {
  return text.size() <= 253 && all_parts(text, [](std::string_view part) {
           return !part.empty() && part.front() != '-' && part.back() != '-' &&
                  std::ranges::all_of(part, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
         });
}

void check_name(std::string_view name, const std::string& path, Violations& violations) {
  if (name.empty()) {
    violations.push_back({path, "must not be empty"});
  } else if (name.size() > 253) {
    violations.push_back({path, fmt::format("has {} characters; may have at most 253", name.size())});
  } else if (!is_subdomain(name)) {
    violations.push_back(
        {path,
         "has characters that a name may not have: a lowercase RFC 1123 subdomain is made of lower case letters, "
         "digits, '-' and '.', and begins and ends with a letter or digit"});
  }
}

void check_port(std::uint32_t port, const std::string& path, Violations& violations) {
  if (port == 0 || port > 65535) violations.push_back({path, "port must be in the range [1, 65535]"});
}

void check_tags(const std::map<std::string, std::string>& tags, const std::string& path, bool wildcard_values,
                Violations& violations) {
  for (const auto& [name, value] : tags) {
    if (name.empty()) violations.push_back({path, "a tag has no name"});
    if (!consists_of(name, [](char c) { return std::string_view(".-_:/").contains(c); }))
      violations.push_back(
          {at_key(path, name),
           "the name of a tag may have letters, digits, dots, dashes, slashes, colons and underscores"});
    const std::string_view allowed = wildcard_values ? ".-_:/" : ".-_:";
    if (value.empty()) violations.push_back({at_key(path, name), "the value of a tag must not be empty"});
    if (!(wildcard_values && value == "*") && !consists_of(value, [&](char c) { return allowed.contains(c); }))
      violations.push_back(
          {at_key(path, name),
           fmt::format("the value of a tag may have letters, digits, dots, dashes, {}colons and underscores{}",
                       wildcard_values ? "slashes, " : "", wildcard_values ? ", or be \"*\"" : "")});
  }
}

void check_labels(const std::map<std::string, std::string>& labels, Violations& violations) {
  for (const auto& [name, value] : labels) {
    const std::size_t slash = name.find('/');
    const bool has_prefix = slash != std::string::npos;
    const bool prefix_is_good = !has_prefix || is_subdomain(std::string_view(name).substr(0, slash));
    if (!prefix_is_good || !is_label_part(std::string_view(name).substr(has_prefix ? slash + 1 : 0)))
      violations.push_back({at_key("labels", name),
                            "the name of a label has at most 63 letters, digits, '-', '_' and '.', begins and ends "
                            "with a letter or digit, and may follow a DNS subdomain and '/'"});
    if (!value.empty() && !is_label_part(value))
      violations.push_back({at_key("labels", name),
                            "the value of a label has at most 63 letters, digits, '-', '_' and '.', and begins and "
                            "ends with a letter or digit"});
  }
}

bool is_known_protocol(std::string_view protocol) {
  constexpr std::array known = {"tcp", "tls", "http", "http2", "grpc", "kafka", "mysql"};
  std::string lower(protocol);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(known, lower) != known.end();
}

Result<Duration> parse_lifetime(std::string_view text) {
  using namespace std::chrono_literals;
  if (text == "0") return Duration{};
  struct Unit {
    std::string_view name;
    Duration length;
  };
  constexpr std::array units = {Unit{"y", 24h * 365}, Unit{"w", 24h * 7}, Unit{"d", 24h}, Unit{"h", 1h},
                                Unit{"m", 1min},      Unit{"s", 1s},      Unit{"ms", 1ms}};
  constexpr std::int64_t longest_years = 100;  // what a certificate is given at most; nanoseconds end at 292
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  const auto unit = std::ranges::find(units, text.substr(static_cast<std::size_t>(end - text.data())), &Unit::name);
  if (failure != std::errc() || text.starts_with('-') || unit == units.end() ||
      count > units[0].length * longest_years / unit->length)
    return invalid("", fmt::format("\"{}\" is not a lifetime: it takes a whole number and one of y, w, d, h, m, s, ms, "
                                   "such as 30d, and is at most 100y",
                                   text));
  return count * unit->length;
}

}  // namespace mesh
