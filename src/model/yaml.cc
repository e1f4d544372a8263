#include "model/yaml.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

#include "base/encoding.h"

namespace mesh {
namespace {

namespace json = boost::json;

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

std::string at_line(const YAML::Mark& mark) { return fmt::format("line {}", mark.line + 1); }

// What the builder throws through the parser, which has no other way to stop early. Never leaves this file.
struct Stop {
  Error error;
};

// Builds values from the parser's events and counts what they cost: an alias costs what it stands for, so that a small
// text cannot become a large value.
class Builder final : public YAML::EventHandler {
 public:
  Builder(std::string_view text, const DocumentLimits& limits) : text_(text), limits_(limits) {}

  std::vector<json::value> take() { return std::move(documents_); }

  // The parser takes text after a document for another one, and at some malformed texts it stands still and gives empty
  // documents for ever. Only `---` or `...` may stand between documents.
  void OnDocumentStart(const YAML::Mark& mark) override {
    const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
    const std::string_view before = text_.substr(0, at).substr(0, text_.substr(0, at).find_last_not_of(" \t\r\n") + 1);
    const bool is_separated = text_.substr(std::min(at, text_.size())).starts_with("---") || before.ends_with("...");
    if (mark.pos <= last_start_ || (last_start_ >= 0 && !is_separated))
      stop(mark, "not YAML: this cannot follow what stands before");
    last_start_ = mark.pos;
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    spend(0, mark);
    add({nullptr, kCost}, anchor, mark, true);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(mark, "an alias stands inside the value that it stands for");
    spend(found->second.cost, mark);
    add(found->second, 0, mark, false);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    spend(text.size(), mark);
    // yaml-cpp 0.7 reads these two escapes as single bytes.
    if (!is_valid_utf8(text)) stop(mark, R"(the escapes \N and \_ cannot be read: write \u0085 and \u00a0)");
    const bool is_plain = tag.empty() || tag == "?";
    add({typed(mark, tag, text), kCost + text.size()}, anchor, mark, is_plain);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(json::array(), anchor, mark);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(json::object(), anchor, mark);
  }
  void OnMapEnd() override { close(); }

 private:
  static constexpr std::size_t kCost = 32;  // of a value by itself, about what it takes in memory

  struct Node {
    json::value value;
    std::size_t cost = 0;
  };
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    YAML::Mark start;
    std::optional<std::string> key;  // of an object: a key that waits for its value
    bool merge = false;              // that key is `<<`
    json::object merged;
  };

  [[noreturn]] static void stop(Error error) {
    throw Stop{std::move(error)};  // NOLINT(house): through the parser, see Stop
  }
  [[noreturn]] static void stop(const YAML::Mark& mark, std::string text) {
    stop(invalid(at_line(mark), std::move(text)));
  }

  void spend(std::size_t cost, const YAML::Mark& mark) {
    spent_ += cost + kCost;
    if (spent_ > limits_.expanded_bytes)
      stop(error(ErrorKind::TooLarge,
                 fmt::format("{}: with its aliases written out the document is larger than the allowed {} bytes",
                             at_line(mark), limits_.expanded_bytes)));
  }

  json::value typed(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    if (tag.empty() || tag == "?") return resolve_plain_scalar(text);
    if (tag == "!" || !tag.starts_with(kTagPrefix)) return json::string(text);  // quoted, or a tag of somebody's own
    const std::string_view name = std::string_view(tag).substr(kTagPrefix.size());
    if (name == "str") return json::string(text);
    if (name == "binary") {
      const std::optional<std::string> bytes = base64_decode(text);
      if (!bytes || !is_valid_utf8(*bytes)) stop(mark, "!!binary must be base64 of text");
      return json::string(*bytes);
    }
    const json::value resolved = resolve_plain_scalar(text);
    const bool fits = (name == "int" && (resolved.is_int64() || resolved.is_uint64())) ||
                      (name == "float" && resolved.is_number()) || (name == "bool" && resolved.is_bool()) ||
                      (name == "null" && resolved.is_null());
    if (!fits) stop(mark, fmt::format("\"{}\" cannot be read as !!{}", text.substr(0, 60), name));
    return resolved;
  }

  void open(json::value container, YAML::anchor_t anchor, const YAML::Mark& mark) {
    spend(0, mark);
    if (frames_.size() >= limits_.depth)
      stop(error(ErrorKind::TooLarge,
                 fmt::format("{}: nested deeper than the allowed {} levels", at_line(mark), limits_.depth)));
    if (!frames_.empty() && frames_.back().node.value.is_object() && !frames_.back().key && !frames_.back().merge)
      stop(mark, "a mapping or a sequence cannot be a key");
    frames_.push_back({.node = {std::move(container), kCost},
                       .anchor = anchor,
                       .start = mark,
                       .key = {},
                       .merge = false,
                       .merged = {}});
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    for (auto& [key, value] : frame.merged) frame.node.value.get_object().emplace(key, value);  // what is there stays
    add(std::move(frame.node), frame.anchor, frame.start, false);
  }

  void add(Node node, YAML::anchor_t anchor, const YAML::Mark& mark, bool is_plain) {
    if (anchor != 0) anchors_[anchor] = node;
    if (frames_.empty()) {
      documents_.push_back(std::move(node.value));
      return;
    }
    Frame& frame = frames_.back();
    frame.node.cost += node.cost;
    if (frame.node.value.is_array()) {
      frame.node.value.get_array().push_back(std::move(node.value));
    } else if (frame.merge) {
      frame.merge = false;
      merge(frame, node.value, mark);
    } else if (frame.key) {
      if (!frame.node.value.get_object().emplace(*frame.key, std::move(node.value)).second)
        stop(mark, fmt::format("the key \"{}\" stands twice in one mapping", *frame.key));
      frame.key.reset();
    } else {
      set_key(frame, node.value, mark, is_plain);
    }
  }

  void set_key(Frame& frame, const json::value& key, const YAML::Mark& mark, bool is_plain) {
    switch (key.kind()) {
      case json::kind::string:
        if (is_plain && key.get_string() == "<<")
          frame.merge = true;
        else
          frame.key = key.get_string();
        return;
      case json::kind::null:
      case json::kind::array:
      case json::kind::object: stop(mark, "a key must be text, a number or a boolean");
      default: frame.key = print_json(key);
    }
  }

  void merge(Frame& frame, const json::value& from, const YAML::Mark& mark) {
    if (from.is_array()) {
      for (const json::value& each : from.get_array()) {
        if (!each.is_object()) stop(mark, "`<<` takes a mapping, or a sequence of mappings");
        merge(frame, each, mark);
      }
      return;
    }
    if (!from.is_object()) stop(mark, "`<<` takes a mapping, or a sequence of mappings");
    for (const auto& [key, value] : from.get_object()) frame.merged.emplace(key, value);
  }

  const std::string_view text_;
  const DocumentLimits& limits_;
  std::vector<json::value> documents_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::size_t spent_ = 0;
  int last_start_ = -1;  // of the document before
};

}  // namespace

Result<std::vector<json::value>> parse_yaml(std::string_view text, const DocumentLimits& limits) {
  if (text.size() > limits.bytes)
    return error(ErrorKind::TooLarge,
                 fmt::format("the document has {} bytes, more than the allowed {}", text.size(), limits.bytes));
  if (!is_valid_utf8(text)) return invalid("", "the document is not UTF-8 text");
  if (text.contains('\0')) return invalid("", "the document contains a zero byte");
  const std::size_t start = text.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos) return std::vector<json::value>{};
  // JSON has escapes that YAML has not.
  if (text[start] == '{' || text[start] == '[')
    if (auto parsed = parse_json(text, limits)) return std::vector<json::value>{std::move(*parsed)};

  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark

  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(text, limits);
    while (parser.HandleNextDocument(builder)) {
    }
    std::vector<json::value> documents = builder.take();
    std::erase_if(documents, [](const json::value& document) { return document.is_null(); });
    return documents;
  } catch (Stop& stop) {
    return std::move(stop.error);
  } catch (const YAML::Exception& failure) {
    return invalid(at_line(failure.mark), "not YAML: " + failure.msg);
  } catch (const std::exception& failure) {
    return invalid("", std::string("not YAML: ") + failure.what());
  }
}

Result<json::value> parse_yaml_document(std::string_view text, const DocumentLimits& limits) {
  MESH_TRY(std::vector<json::value> documents, parse_yaml(text, limits));
  if (documents.empty()) return json::value(nullptr);
  if (documents.size() > 1)
    return invalid("", fmt::format("one document is expected here, but there are {}", documents.size()));
  return std::move(documents.front());
}

}  // namespace mesh
