#include "naming/route53/record_names.h"

#include <arpa/inet.h>

#include <algorithm>

namespace mesh::route53 {
namespace {

bool is_octal(std::string_view text) {
  return text.size() == 3 && text[0] <= '3' &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
}

bool is_label_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

}  // namespace

std::string record_name(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\\' && is_octal(text.substr(at + 1, 3))) {
      c = static_cast<char>(((text[at + 1] - '0') << 6) | ((text[at + 2] - '0') << 3) | (text[at + 3] - '0'));
      at += 3;
    }
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (!out.ends_with('.')) out += '.';
  return out;
}

Status check_record_name(std::string_view name) {
  const std::string shown = "\"" + shown_name(name.substr(0, 300)) + "\"";
  if (name.size() > 254) return invalid("hostname", "is " + shown + "; must have at most 253 characters");
  std::size_t begin = 0;
  while (begin < name.size()) {
    const std::string_view label = name.substr(begin, name.find('.', begin) - begin);
    if (label.empty()) return invalid("hostname", "is " + shown + "; must not have empty parts");
    if (label.size() > 63)
      return invalid("hostname", "is " + shown + "; a part between dots must have at most 63 characters");
    if (!std::all_of(label.begin(), label.end(), is_label_char) || label.front() == '-' || label.back() == '-')
      return invalid("hostname", "is " + shown + "; must consist of letters, digits, \"-\" and \"_\" between dots");
    begin += label.size() + 1;
  }
  return begin == 0 ? Status(invalid("hostname", "is empty")) : Status();
}

bool is_in_zone(std::string_view name, std::string_view zone) {
  if (!name.ends_with(zone)) return false;
  return name.size() == zone.size() || name[name.size() - zone.size() - 1] == '.';
}

Status check_record_address(std::string_view address) {
  const std::string text(address.substr(0, 64));
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return {};
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1)
    return invalid(
        "address",
        "is " + text +
            "; only IPv4 addresses are published in Route 53, so set the ranges of virtual addresses to IPv4 ones");
  return invalid("address", "is \"" + text + "\"; must be an IPv4 address");
}

std::string shown_name(std::string_view name) {
  if (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  return std::string(name);
}

}  // namespace mesh::route53
