#include "naming/route53/plan.h"

#include <algorithm>
#include <charconv>

#include "aws/crypto.h"
#include "naming/route53/epoch.h"
#include "naming/route53/record_names.h"

namespace mesh::route53 {
namespace {

using Action = aws::RecordChange::Action;

constexpr std::string_view kOurs = "taskmesh:";

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// The owner in a set identifier that some control plane made for this name. None: nobody of us made it.
std::optional<std::string> owner_in(const aws::RecordSet& record, const std::string& name) {
  std::string_view text = record.set_identifier;
  if (!text.starts_with(kOurs)) return std::nullopt;
  text.remove_prefix(kOurs.size());
  std::string owner(text.substr(0, text.find(':')));
  if (record.set_identifier != set_identifier(owner, name)) return std::nullopt;
  return owner;
}

std::string in_words(const aws::RecordSet& record, const std::string& name) {
  if (const auto owner = owner_in(record, name))
    return "a record that the control plane of zone \"" + *owner + "\" owns";
  if (record.type == "CNAME") return "a CNAME record that is not ours";
  return "an " + record.type + " record that is not ours" +
         (record.is_special ? " (an alias, or with a routing policy)" : "");
}

// ns.example. hostmaster.example. serial refresh retry expire MINIMUM
std::optional<std::uint32_t> negative_ttl_of(const aws::RecordSet& soa) {
  if (soa.values.empty()) return std::nullopt;
  const std::string& text = soa.values.front();
  const auto begin = text.find_last_of(' ');
  if (begin == std::string::npos) return std::nullopt;
  std::uint32_t out = 0;
  const auto [stop, problem] = std::from_chars(text.data() + begin + 1, text.data() + text.size(), out);
  if (problem != std::errc() || stop != text.data() + text.size()) return std::nullopt;
  return std::min(out, soa.ttl);
}

// Which names a message of Route 53 speaks of comes in one of two forms.
constexpr std::string_view kNameForms[] = {"name='", "DNS name "};
constexpr std::string_view kBegins[] = {"Tried to ", "RRSet ", "Invalid Resource Record", "InvalidChangeBatch"};

std::size_t next_begin(std::string_view text, std::size_t from) {
  std::size_t out = std::string_view::npos;
  for (const std::string_view begin : kBegins) {
    auto at = text.find(begin, from);
    while (at != std::string_view::npos && at > 0 && text[at - 1] != '[' && !text.substr(0, at).ends_with(", "))
      at = text.find(begin, at + 1);
    out = std::min(out, at);
  }
  return out;
}

std::string name_in(std::string_view text) {
  for (const std::string_view form : kNameForms) {
    const auto at = text.find(form);
    if (at == std::string_view::npos) continue;
    text.remove_prefix(at + form.size());
    return record_name(text.substr(0, text.find_first_of("' ,]")));
  }
  return {};
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::string_view(" ,[]").contains(text.back())) {
    // "[name='a.']" ends with a bracket of its own.
    if (text.back() == ']' && std::count(text.begin(), text.end(), '[') >= std::count(text.begin(), text.end(), ']'))
      break;
    text.remove_suffix(1);
  }
  while (!text.empty() && std::string_view(" ,[").contains(text.front())) text.remove_prefix(1);
  return std::string(text.substr(0, 300));
}

}  // namespace

std::string set_identifier(std::string_view owner, std::string_view name) {
  std::string out(kOurs);
  out.append(owner).append(":").append(hex(aws::sha256(name)).substr(0, 16));
  return out;
}

aws::RecordSet address_record(const RecordStyle& style, const std::string& name, const std::string& address) {
  aws::RecordSet out;
  out.name = name;
  out.type = "A";
  out.set_identifier = set_identifier(style.owner, name);
  out.weight = 1;
  out.ttl = style.ttl;
  out.values = {address};
  return out;
}

void Holdings::add(const RecordStyle& style, aws::RecordSet record) {
  const std::string name = record_name(record.name);
  ++records;
  if (record.type == "SOA" && name == style.zone_name) negative_ttl = negative_ttl_of(record);
  if (record.type == "TXT" && name == epoch_record_name(style.owner, style.zone_name)) {
    record.name = name;
    epoch = std::move(record);
    return;
  }
  if (record.type != "A" && record.type != "CNAME") return;  // stands beside ours
  if (record.type == "A" && record.set_identifier == set_identifier(style.owner, name)) {
    record.name = name;
    ours[name] = std::move(record);
  } else {
    foreign[name] = in_words(record, name);
  }
}

std::optional<aws::RecordChange> change_of(const RecordStyle& style, const std::string& name, const Desired* wanted,
                                           const Holdings& holdings) {
  const auto held = holdings.ours.find(name);
  if (wanted == nullptr) {
    if (held == holdings.ours.end()) return std::nullopt;
    // Somebody gave it what we cannot write (a health check, say), so we cannot name it exactly either: make it plain
    // first.
    if (held->second.is_special)
      return aws::RecordChange{
          Action::Upsert,
          address_record(style, name, held->second.values.empty() ? "127.0.0.1" : held->second.values.front())};
    return aws::RecordChange{Action::Delete, held->second};
  }
  if (holdings.foreign.contains(name)) return std::nullopt;
  aws::RecordSet record = address_record(style, name, wanted->address);
  if (held == holdings.ours.end()) return aws::RecordChange{Action::Create, std::move(record)};
  if (held->second == record) return std::nullopt;
  // With our identifier: there is no record of others that it could replace.
  return aws::RecordChange{Action::Upsert, std::move(record)};
}

Plan make_plan(const RecordStyle& style, const std::map<std::string, Desired>& wanted, const Holdings& holdings) {
  Plan out;
  std::vector<aws::RecordChange> creations, removals;
  for (const auto& [name, desired] : wanted) {
    if (const auto other = holdings.foreign.find(name); other != holdings.foreign.end()) {
      out.conflicts[name] =
          "the hosted zone has " + other->second + " for " + shown_name(name) + "; it is left as it is";
    }
    auto change = change_of(style, name, &desired, holdings);
    if (!change) continue;
    (change->action == Action::Create ? creations : out.changes).push_back(std::move(*change));
  }
  for (const auto& [name, _] : holdings.ours) {
    if (!wanted.contains(name)) removals.push_back(*change_of(style, name, nullptr, holdings));
  }
  // What leads astray is put right first, then what is missing; what nobody needs any more can wait.
  out.changes.insert(out.changes.end(), creations.begin(), creations.end());
  out.changes.insert(out.changes.end(), removals.begin(), removals.end());
  return out;
}

std::vector<aws::RecordChange> take_batch(const std::vector<aws::RecordChange>& changes, const aws::BatchSize& limit) {
  std::vector<aws::RecordChange> out;
  aws::BatchSize size;
  for (const aws::RecordChange& change : changes) {
    size += aws::size_of(change);
    if (size.records > limit.records || size.characters > limit.characters) break;
    out.push_back(change);
  }
  return out;
}

void add_epoch(std::vector<aws::RecordChange>& batch, const std::optional<aws::RecordSet>& from,
               const std::optional<aws::RecordSet>& to) {
  if (from) batch.push_back({Action::Delete, *from});
  if (to) batch.push_back({Action::Create, *to});
}

void apply(const std::vector<aws::RecordChange>& batch, const RecordStyle& style, Holdings& holdings) {
  for (const aws::RecordChange& change : batch) {
    if (change.action == Action::Delete) {
      if (change.record.type == "TXT")
        holdings.epoch.reset();
      else
        holdings.ours.erase(change.record.name);
      if (holdings.records > 0) --holdings.records;
    } else {
      const bool is_new = change.action == Action::Create || !holdings.ours.contains(change.record.name);
      const std::size_t before = holdings.records;
      holdings.add(style, change.record);
      holdings.records = before + (is_new ? 1 : 0);
    }
  }
}

std::map<std::string, std::string> blamed_names(const std::vector<std::string>& messages) {
  std::map<std::string, std::string> out;
  for (const std::string& message : messages) {
    // One message, or a list of them in one text.
    std::size_t begin = next_begin(message, 0);
    if (begin == std::string::npos) begin = 0;
    while (begin < message.size()) {
      const std::size_t end = std::min(next_begin(message, begin + 1), message.size());
      const std::string_view one = std::string_view(message).substr(begin, end - begin);
      out.emplace(name_in(one), trimmed(one));
      begin = end;
    }
  }
  return out;
}

}  // namespace mesh::route53
