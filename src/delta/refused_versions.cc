#include "delta/refused_versions.h"

#include <algorithm>
#include <iterator>

namespace mesh {

void RefusedVersions::add(const std::vector<Entry>& push) {
  if (push.size() == 1) {
    if (contains(push[0].first, push[0].second)) return;
    convicted_.push_back(push[0]);
    if (convicted_.size() > kMaxConvicted) convicted_.pop_front();
    return;
  }
  std::vector<Entry> all;
  std::set_union(suspects_.begin(), suspects_.end(), push.begin(), push.end(), std::back_inserter(all));
  suspects_ = std::move(all);
}

bool RefusedVersions::contains(const std::string& name, const std::string& version) const {
  const Entry entry(name, version);
  return std::binary_search(suspects_.begin(), suspects_.end(), entry) ||
         std::find(convicted_.begin(), convicted_.end(), entry) != convicted_.end();
}

void RefusedVersions::review(const std::vector<Entry>& due) {
  if (!suspects_.empty() && !std::includes(due.begin(), due.end(), suspects_.begin(), suspects_.end())) suspects_.clear();
}

}  // namespace mesh
