// Route 53: the record sets of a hosted zone, read in pages and changed in batches.
//
// A batch is applied as a whole or not at all. What went wrong comes as a kind, since what to do next differs: a batch
// of which nobody knows whether it was applied is not one that was refused.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/credentials.h"
#include "aws/service.h"

namespace mesh::aws {

struct HostedZone {
  std::string id;    // "Z0123456789ABC"
  std::string name;  // "mesh.local."
  bool is_private = false;
  std::size_t records = 0;
};

struct RecordSet {
  std::string name;  // as Route 53 writes it: lower case, with the last dot, "\052" for "*"
  std::string type;
  std::string set_identifier;  // empty: a record without a routing policy
  std::optional<std::uint32_t> weight;
  std::uint32_t ttl = 0;
  std::vector<std::string> values;
  bool is_special = false;  // an alias, or routed by something else than weight: more than we can write

  friend bool operator==(const RecordSet&, const RecordSet&) = default;
};

// Where a listing begins. Empty: at the start of the zone.
struct RecordCursor {
  std::string name, type, set_identifier;
};
struct RecordPage {
  std::vector<RecordSet> records;
  std::optional<RecordCursor> next;  // none: that was the last page
};

struct RecordChange {
  enum class Action { Create, Upsert, Delete };
  Action action = Action::Create;
  RecordSet record;
};
std::string_view action_name(RecordChange::Action action);

struct ChangeInfo {
  std::string id;
  bool is_in_sync = false;
};

struct Route53Failure {
  enum class Kind {
    Unreachable,              // no answer, half of one, or status 5xx: a batch may have been applied
    Throttled,                // too many requests of this account
    PriorRequestNotComplete,  // another batch for the zone is in work
    InvalidChangeBatch,       // nothing of the batch was applied; `messages` say why
    AccessDenied,             // also: without credentials, or with such as do not hold
    NoSuchHostedZone,
    LimitsExceeded,  // the zone takes no more records
    Other,           // refused for another reason: the code is in the text
  };
  Kind kind = Kind::Other;
  std::string text;                   // for people
  std::vector<std::string> messages;  // of InvalidChangeBatch
};
template <class T>
using Route53Result = std::expected<T, Route53Failure>;

// What is asked of Route 53. May block; one call is one request.
class Route53Api {
 public:
  virtual ~Route53Api() = default;
  virtual Route53Result<HostedZone> get_hosted_zone(const std::string& zone_id) = 0;
  // Up to 300 record sets in the order of Route 53.
  virtual Route53Result<RecordPage> list_records(const std::string& zone_id, const RecordCursor& from) = 0;
  virtual Route53Result<ChangeInfo> change_records(const std::string& zone_id,
                                                   const std::vector<RecordChange>& changes) = 0;
  virtual Route53Result<ChangeInfo> get_change(const std::string& change_id) = 0;
};

// Over the network. Thread-safe when the caller's fetch and `keys` are.
class Route53Client final : public Route53Api {
 public:
  using Keys = std::function<Result<KeyPair>()>;  // may block
  Route53Client(Caller caller, Endpoint endpoint, Keys keys)
      : caller_(std::move(caller)), endpoint_(std::move(endpoint)), keys_(std::move(keys)) {}

  Route53Result<HostedZone> get_hosted_zone(const std::string& zone_id) override;
  Route53Result<RecordPage> list_records(const std::string& zone_id, const RecordCursor& from) override;
  Route53Result<ChangeInfo> change_records(const std::string& zone_id,
                                           const std::vector<RecordChange>& changes) override;
  Route53Result<ChangeInfo> get_change(const std::string& change_id) override;

 private:
  Route53Result<XmlElement> send(const std::string& method, const std::string& path, const std::string& query,
                                 std::string body);

  const Caller caller_;
  const Endpoint endpoint_;
  const Keys keys_;
};

// "Z0123" of "Z0123" or "/hostedzone/Z0123". Invalid: it is neither.
Result<std::string> hosted_zone_id(std::string_view text);

// Pure: what goes over the wire, and what comes back.
std::string change_batch_xml(const std::vector<RecordChange>& changes);
Result<HostedZone> read_hosted_zone(const XmlElement& root);
Result<RecordPage> read_record_page(const XmlElement& root);
Result<ChangeInfo> read_change_info(const XmlElement& root);
Route53Failure read_route53_failure(int status, std::string_view body);

// What a batch counts for, against 1,000 records and 32,000 characters of values: those of an UPSERT count twice.
struct BatchSize {
  std::size_t records = 0, characters = 0;
  BatchSize& operator+=(const BatchSize& other) {
    records += other.records;
    characters += other.characters;
    return *this;
  }
};
BatchSize size_of(const RecordChange& change);
constexpr BatchSize kLargestBatch{1000, 32'000};

}  // namespace mesh::aws
