#include "settings/near_miss.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace mesh {
namespace {

// Insertions, deletions and replacements that turn one into the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string letters(std::string_view name) {
  std::string out;
  for (const char c : name)
    if (c != '_' && c != '.') out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::optional<std::string> find_near_miss(std::string_view name, std::span<const std::string_view> known) {
  if (name.size() > 200) return std::nullopt;
  const std::size_t most = std::max<std::size_t>(2, name.size() / 7);
  std::optional<std::string> best;
  std::size_t best_distance = most + 1;
  for (const std::string_view candidate : known) {
    const std::size_t difference =
        candidate.size() > name.size() ? candidate.size() - name.size() : name.size() - candidate.size();
    if (difference > most + 4) continue;
    const std::size_t distance = letters(name) == letters(candidate) ? 0 : edit_distance(name, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace mesh
