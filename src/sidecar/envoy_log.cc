#include "sidecar/envoy_log.h"

#include <algorithm>

namespace mesh::sidecar {

std::optional<EnvoyLogLine> parse_envoy_log(std::string_view line) {
  if (line.size() < 3 || line[1] != '|') return std::nullopt;
  EnvoyLogLine parsed;
  switch (line[0]) {
    case 'T':
    case 'D': parsed.level = log::Level::Debug; break;
    case 'I': parsed.level = log::Level::Info; break;
    case 'W': parsed.level = log::Level::Warn; break;
    case 'E':
    case 'C': parsed.level = log::Level::Error; break;
    default: return std::nullopt;
  }
  const auto end_of_component = line.find('|', 2);
  if (end_of_component == std::string_view::npos) return std::nullopt;
  const std::string_view component = line.substr(2, end_of_component - 2);
  const std::string_view text = line.substr(end_of_component + 1);
  // At every start Envoy lists all that is compiled into it, in a hundred long lines.
  const bool is_inventory = text.starts_with("  ") || text.starts_with("statically linked extensions") ||
                            text.starts_with("HTTP header map info") || text.starts_with("layers:");
  if (is_inventory && parsed.level == log::Level::Info) parsed.level = log::Level::Debug;
  parsed.text =
      component == "main" || component.empty() ? std::string(text) : std::string(component) + ": " + std::string(text);
  return parsed;
}

std::string without_tokens(std::string line) {
  constexpr std::string_view kStart = "eyJ";  // {" in base64
  constexpr std::string_view kWord = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.";
  for (auto at = line.find(kStart); at != std::string::npos; at = line.find(kStart, at + 1)) {
    const auto size = std::min(line.find_first_not_of(kWord, at), line.size()) - at;
    const bool is_role_proof = at >= 2 && line[at - 1] == '.' && line.rfind("taskmesh-aws-", at) != std::string::npos;
    if (is_role_proof || std::count(line.begin() + static_cast<std::ptrdiff_t>(at),
                                    line.begin() + static_cast<std::ptrdiff_t>(at + size), '.') >= 2)
      line.replace(at, size, "***");
  }
  return line;
}

std::string_view envoy_log_level(log::Level level) {
  switch (level) {
    case log::Level::Debug: return "debug";
    case log::Level::Info: return "info";
    case log::Level::Warn: return "warning";
    case log::Level::Error: return "error";
    case log::Level::Off: return "off";
  }
  return "info";
}

}  // namespace mesh::sidecar
