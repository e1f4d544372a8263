#include "sidecar/access_log_line.h"

#include <boost/json.hpp>

#include <optional>

namespace mesh::sidecar {
namespace {

namespace json = boost::json;

// Finds where values begin and end, so that a message is passed on with the very bytes that Envoy wrote (numbers above
// all), and without a tree in memory. What is no JSON inside of a message is the receiver's business.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool take(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::optional<std::string_view> take_string() {
    skip_space();
    const std::size_t from = at_;
    if (at_ >= text_.size() || text_[at_] != '"') return std::nullopt;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        return text_.substr(from, ++at_ - from);
      }
    }
    return std::nullopt;
  }

  std::optional<std::string_view> take_value() {
    skip_space();
    const std::size_t from = at_;
    if (at_ < text_.size() && text_[at_] == '"') return take_string();
    for (int depth = 0; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        if (!take_string()) return std::nullopt;
        --at_;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']' || c == ',') {
        if (depth == 0) break;
        if (c != ',' && --depth == 0) {
          ++at_;
          break;
        }
      }
    }
    if (at_ == text_.size()) return std::nullopt;
    std::size_t end = at_;
    while (end > from && text_[end - 1] == ' ') --end;
    if (end == from) return std::nullopt;
    return text_.substr(from, end - from);
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// The text of a JSON string, quotes included.
std::optional<std::string> text_of(std::string_view quoted) {
  boost::system::error_code problem;
  const json::value value = json::parse(quoted, problem);
  if (problem || !value.is_string()) return std::nullopt;
  return std::string(value.get_string());
}

Result<AccessLogLine> parse_json(std::string_view line) {
  const auto wrong = [] { return invalid("access log", "a line is no JSON object with address and message"); };
  Scanner scan(line);
  std::optional<std::string_view> address, message;
  if (!scan.take('{')) return wrong();
  do {
    const auto name = scan.take_string();
    if (!name || !scan.take(':')) return wrong();
    const auto value = scan.take_value();
    if (!value) return wrong();
    if (*name == "\"address\"") address = value;
    if (*name == "\"message\"") message = value;
  } while (scan.take(','));
  if (!scan.take('}') || !address || !message) return wrong();

  AccessLogLine out;
  const auto address_text = text_of(*address);
  if (!address_text) return wrong();
  out.address = *address_text;
  if (message->front() != '"') {
    out.message = std::string(*message) + "\n";
    return out;
  }
  auto text = text_of(*message);
  if (!text) return wrong();
  out.message = *std::move(text);
  return out;
}

}  // namespace

Result<AccessLogLine> parse_access_log_line(std::string_view line) {
  if (line.starts_with('{')) return parse_json(line);
  const std::size_t end = line.find(';');
  if (end == std::string_view::npos) return invalid("access log", "a line names no address");
  return AccessLogLine{std::string(line.substr(0, end)), std::string(line.substr(end + 1)) + "\n"};
}

}  // namespace mesh::sidecar
