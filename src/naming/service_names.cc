#include "naming/service_names.h"

#include <algorithm>
#include <cctype>

#include "model/rules.h"

namespace mesh {

bool is_service_label(std::string_view text) {
  return text.size() <= 63 && is_subdomain(text) && !text.contains('.') && text.front() >= 'a' && text.front() <= 'z';
}

std::vector<std::string> service_hostnames(std::string_view service, std::string_view domain) {
  const auto name_of = [&](std::string text) {
    text += '.';
    text += domain;
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  };
  std::vector<std::string> out;
  std::string name = name_of(std::string(service));
  if (is_host_name(name)) out.push_back(std::move(name));
  if (service.contains('_')) {
    std::string dotted(service);
    std::ranges::replace(dotted, '_', '.');
    dotted = name_of(std::move(dotted));
    if (is_host_name(dotted)) out.push_back(std::move(dotted));
  }
  return out;
}

}  // namespace mesh
