#include "delta/refused_versions.h"

#include <algorithm>
#include <iterator>

namespace mesh {

void RefusedVersions::convict(const Entry& entry) { convicted_.try_emplace(entry, ++count_); }

void RefusedVersions::add(const std::vector<Entry>& push, const std::vector<Entry>& named) {
  for (const Entry& entry : named) convict(entry);
  if (!named.empty()) return;
  if (push.size() == 1) return convict(push[0]);
  std::vector<Entry> all;
  std::set_union(suspects_.begin(), suspects_.end(), push.begin(), push.end(), std::back_inserter(all));
  suspects_ = std::move(all);
}

bool RefusedVersions::contains(const std::string& name, const std::string& version) const {
  return is_convicted(name, version) || std::binary_search(suspects_.begin(), suspects_.end(), Entry(name, version));
}

bool RefusedVersions::is_convicted(const std::string& name, const std::string& version) const {
  return convicted_.contains(Entry(name, version));
}

void RefusedVersions::review(const std::vector<Entry>& due) {
  if (!suspects_.empty() && !std::includes(due.begin(), due.end(), suspects_.begin(), suspects_.end()))
    suspects_.clear();
  if (convicted_.size() > kManyConvicted)
    pardon([&](const Entry& entry) { return !std::binary_search(due.begin(), due.end(), entry); });
}

std::vector<RefusedVersions::Entry> RefusedVersions::convicted() const {
  std::vector<std::pair<std::uint64_t, const Entry*>> in_time;
  for (const auto& [entry, when] : convicted_) in_time.emplace_back(when, &entry);
  std::sort(in_time.begin(), in_time.end());
  std::vector<Entry> out;
  for (const auto& [when, entry] : in_time) out.push_back(*entry);
  return out;
}

void RefusedVersions::pardon(const std::function<bool(const Entry&)>& which) {
  std::erase_if(convicted_, [&](const auto& one) { return which(one.first); });
}

bool blames(std::string_view reason, std::string_view name) {
  for (std::size_t at = reason.find(name); at != std::string_view::npos; at = reason.find(name, at + 1)) {
    const bool begins = at == 0 || reason[at - 1] == ' ' || reason[at - 1] == '\n';
    if (begins && reason.substr(at + name.size()).starts_with(": ")) return true;
  }
  return false;
}

}  // namespace mesh
