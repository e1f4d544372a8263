#include "naming/route53/epoch.h"

#include <charconv>

namespace mesh::route53 {
namespace {

constexpr std::string_view kBegin = "\"taskmesh epoch";
constexpr std::uint32_t kTtl = 60;

// Takes " name=value" off the front.
std::optional<std::string> take(std::string_view& rest, std::string_view name) {
  const std::string begin = " " + std::string(name) + "=";
  if (!rest.starts_with(begin)) return std::nullopt;
  rest.remove_prefix(begin.size());
  const auto size = rest.find_first_of(" \"");
  if (size == std::string_view::npos) return std::nullopt;
  std::string out(rest.substr(0, size));
  rest.remove_prefix(size);
  return out;
}

std::optional<std::uint64_t> number(const std::optional<std::string>& text) {
  std::uint64_t out = 0;
  if (!text) return std::nullopt;
  const auto [stop, problem] = std::from_chars(text->data(), text->data() + text->size(), out);
  if (problem != std::errc() || stop != text->data() + text->size()) return std::nullopt;
  return out;
}

}  // namespace

std::string epoch_record_name(std::string_view owner, std::string_view zone_name) {
  return std::string(owner) + "._taskmesh." + std::string(zone_name);
}

aws::RecordSet epoch_record(const Epoch& epoch, std::string_view owner, std::string_view zone_name) {
  aws::RecordSet out;
  out.name = epoch_record_name(owner, zone_name);
  out.type = "TXT";
  out.ttl = kTtl;
  out.values = {std::string(kBegin) + " term=" + std::to_string(epoch.term) + " batch=" + std::to_string(epoch.batch) +
                " instance=" + epoch.instance + " store=" + epoch.store + "\""};
  return out;
}

std::optional<Epoch> read_epoch(const aws::RecordSet& record) {
  if (record.type != "TXT" || record.values.size() != 1 || !record.set_identifier.empty()) return std::nullopt;
  std::string_view rest = record.values.front();
  if (!rest.starts_with(kBegin)) return std::nullopt;
  rest.remove_prefix(kBegin.size());
  const auto term = number(take(rest, "term"));
  const auto batch = number(take(rest, "batch"));
  auto instance = take(rest, "instance");
  auto store = take(rest, "store");
  if (!term || !batch || !instance || !store || rest != "\"") return std::nullopt;
  return Epoch{*term, *batch, std::move(*instance), std::move(*store)};
}

}  // namespace mesh::route53
