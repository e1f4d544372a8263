// Columns of text, three blanks apart, and how ages and moments are written in them.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace mesh::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> headers) { rows_.push_back(std::move(headers)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string age(Duration duration);  // "5s", "7m", "3h", "12d", "2y"; "never" when it lies ahead
// "never" when nothing, or nothing readable, is given.
std::string ago(std::string_view rfc3339, SystemTime now);
std::string moment(std::string_view rfc3339);  // "2026-11-24 20:59:13", "-"

}  // namespace mesh::cli
