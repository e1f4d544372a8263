#include "sidecar/dns_message.h"

#include <arpa/inet.h>
#include <boost/json.hpp>

#include <algorithm>

namespace mesh::sidecar {
namespace {

constexpr std::size_t kHeader = 12, kLongestName = 255, kLongestLabel = 63, kMaxAnswers = 8;
constexpr std::uint16_t kTypeA = 1, kClassIn = 1;
// Bits of the header's second word.
constexpr std::uint32_t kIsAnswer = 0x8000, kOpcode = 0x7800, kAuthoritative = 0x0400, kWantsRecursion = 0x0100,
                        kOffersRecursion = 0x0080;

std::uint16_t word_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint16_t>((static_cast<unsigned char>(bytes[at]) << 8) |
                                    static_cast<unsigned char>(bytes[at + 1]));
}

void append_number(std::string& out, std::uint32_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 0xff);
}

// Of ASCII alone: what else stands in a name is bytes.
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::optional<DnsQuestion> first_question(std::string_view message) {
  if (message.size() < kHeader || word_at(message, 4) != 1) return std::nullopt;
  DnsQuestion out;
  std::size_t at = kHeader;
  while (true) {
    if (at >= message.size() || at - kHeader >= kLongestName) return std::nullopt;
    const auto length = static_cast<unsigned char>(message[at++]);
    if (length == 0) break;
    // Above 63 it is a pointer, or of no known kind.
    if (length > kLongestLabel || length > message.size() - at) return std::nullopt;
    if (!out.name.empty()) out.name += '.';
    for (const char c : message.substr(at, length)) out.name += lower(c);
    at += length;
  }
  if (message.size() - at < 4) return std::nullopt;
  out.type = word_at(message, at);
  out.cls = word_at(message, at + 2);
  out.end = at + 4;
  return out;
}

// The header of an answer, and the question again.
std::string begin_answer(std::string_view query, const DnsQuestion& question, std::uint32_t flags,
                         std::size_t answers) {
  std::string out(query.substr(0, 2));
  append_number(out, kIsAnswer | kOffersRecursion | (word_at(query, 2) & kWantsRecursion) | flags, 2);
  append_number(out, 1, 2);
  append_number(out, static_cast<std::uint32_t>(answers), 2);
  append_number(out, 0, 4);
  out += query.substr(kHeader, question.end - kHeader);
  return out;
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 out{};
  if (inet_pton(AF_INET, std::string(text).c_str(), out.data()) != 1) return std::nullopt;
  return out;
}

}  // namespace

Result<MeshNames> parse_mesh_names(std::string_view text) {
  boost::system::error_code problem;
  const boost::json::value json = boost::json::parse(text, problem);
  const boost::json::object* object = problem ? nullptr : json.if_object();
  const boost::json::value* records = object == nullptr ? nullptr : object->if_contains("records");
  if (records == nullptr || !records->is_array()) return invalid("records", "is no list of names");
  MeshNames out;
  if (const boost::json::value* ttl = object->if_contains("ttl"); ttl != nullptr && ttl->is_int64())
    out.ttl = static_cast<std::uint32_t>(std::clamp<std::int64_t>(ttl->get_int64(), 0, 3600));
  for (const boost::json::value& record : records->get_array()) {
    const boost::json::value* name = record.is_object() ? record.get_object().if_contains("name") : nullptr;
    const boost::json::value* ips = record.is_object() ? record.get_object().if_contains("ips") : nullptr;
    if (name == nullptr || !name->is_string() || ips == nullptr || !ips->is_array())
      return invalid("records", "holds something that is no name with addresses");
    std::string key;
    for (const char c : name->get_string()) key += lower(c);
    std::vector<Ipv4>& addresses = out.addresses[std::move(key)];
    for (const boost::json::value& ip : ips->get_array()) {
      if (!ip.is_string()) continue;
      if (const auto address = parse_ipv4(ip.get_string())) addresses.push_back(*address);
    }
  }
  return out;
}

std::optional<DnsQuestion> read_question(std::string_view query) {
  if (query.size() < kHeader || (word_at(query, 2) & (kIsAnswer | kOpcode)) != 0) return std::nullopt;
  return first_question(query);
}

std::optional<std::string> answer_query(std::string_view query, const MeshNames& names) {
  const std::optional<DnsQuestion> question = read_question(query);
  if (!question) return std::nullopt;
  const auto found = names.addresses.find(question->name);
  if (found == names.addresses.end()) return std::nullopt;
  // Of other types there is nothing: an answer without records.
  const bool is_for_address = question->type == kTypeA && question->cls == kClassIn;
  const std::size_t count = is_for_address ? std::min(found->second.size(), kMaxAnswers) : 0;
  std::string out = begin_answer(query, *question, kAuthoritative, count);
  for (std::size_t i = 0; i < count; ++i) {
    append_number(out, 0xc000U | kHeader, 2);  // the name of the question
    append_number(out, kTypeA, 2);
    append_number(out, kClassIn, 2);
    append_number(out, names.ttl, 4);
    append_number(out, sizeof(Ipv4), 2);
    out.append(found->second[i].begin(), found->second[i].end());
  }
  return out;
}

std::optional<std::string> fail_query(std::string_view query, DnsFailure failure) {
  const std::optional<DnsQuestion> question = read_question(query);
  if (!question) return std::nullopt;
  return begin_answer(query, *question, static_cast<std::uint32_t>(failure), 0);
}

bool is_answer_to(std::string_view answer, std::string_view query) {
  if (answer.size() < kHeader || (word_at(answer, 2) & kIsAnswer) == 0) return false;
  const std::optional<DnsQuestion> asked = read_question(query);
  return asked && answer.substr(0, 2) == query.substr(0, 2) && first_question(answer) == asked;
}

std::string upstream_in(std::string_view resolv_conf, std::string_view own) {
  constexpr std::string_view kKey = "nameserver";
  while (!resolv_conf.empty()) {
    std::string_view line = resolv_conf.substr(0, resolv_conf.find('\n'));
    resolv_conf.remove_prefix(std::min(line.size() + 1, resolv_conf.size()));
    if (!line.starts_with(kKey)) continue;
    line.remove_prefix(kKey.size());
    const auto begin = line.find_first_not_of(" \t");
    if (begin == 0 || begin == std::string_view::npos) continue;
    line.remove_prefix(begin);
    const std::string_view server = line.substr(0, line.find_first_of(" \t\r#;"));
    if (server != own && parse_ipv4(server)) return std::string(server);
  }
  return {};
}

}  // namespace mesh::sidecar
