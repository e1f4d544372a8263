#include "cp/route53.h"

#include <fmt/format.h>

#include <random>

#include "aws/credentials.h"
#include "aws/regions.h"
#include "base/random.h"
#include "cp/open_store.h"
#include "cp/room_settings.h"
#include "cp/say.h"
#include "model/builtin.h"
#include "naming/route53/record_names.h"
#include "policies/all.h"

namespace mesh {
namespace {

using route53::Zone;
using What = Zone::Call::What;

std::string shown(const aws::RecordChange& change) {
  return fmt::format("  {:6} {} {} {}", aws::action_name(change.action), route53::shown_name(change.record.name),
                     change.record.type, change.record.values.empty() ? "" : change.record.values.front());
}

// What the store says should be there.
Result<std::vector<WantedRecord>> wanted_records(const ControlPlaneSettings& settings,
                                                 const Route53NamesSettings& names, std::string& store_id) {
  KindRegistry kinds;
  add_builtin_kinds(kinds);
  add_policy_kinds(kinds);
  MESH_TRY(OpenedStore opened, open_store(settings.store, kinds, make_uuid(), [] {}));
  store_id = opened.store->id();
  std::stop_source now;
  now.request_stop();  // what is there already is given at once
  MESH_TRY(const ChangeBatch batch, opened.store->wait_for_changes(0, now.get_token()));
  Route53Names book(names);
  book.on_batch(batch);
  return book.take_wanted().value_or(std::vector<WantedRecord>());
}

// One call after the other, at a distance that leaves room for a control plane that runs. Ends when nothing is to do,
// or what is left has to wait for long.
void drive(Zone& zone, aws::Route53Api& api, bool only_read) {
  const Clock& clock = real_clock();
  Mailbox<int> never;
  const auto wait_until = [&](SteadyTime time) { (void)never.take_all_until({}, time); };
  const SteadyTime end = clock.steady() + std::chrono::minutes(2);
  while (clock.steady() < end && !(only_read && zone.is_read())) {
    const route53::Moment now{clock.steady(), clock.now()};
    const Zone::Call call = zone.next(now);
    const std::string& id = zone.settings().zone_id;
    switch (call.what) {
      case What::None: {
        const auto wake = zone.wake(now);
        const bool is_worth_it = wake && *wake < now.steady + std::chrono::seconds(15) &&
                                 zone.trouble().find("does not exist") == std::string::npos;
        if (!is_worth_it || (!zone.is_read() && *wake > now.steady + std::chrono::seconds(5))) return;
        wait_until(std::max(*wake, now.steady + std::chrono::milliseconds(20)));
        continue;
      }
      case What::Check: zone.on_checked(api.get_hosted_zone(id), now); break;
      case What::ListPage:
      case What::ReadName: zone.on_page(api.list_records(id, call.from), now); break;
      case What::Change: {
        const auto answer = api.change_records(id, call.changes);
        for (const auto& change : call.changes)
          say(shown(change) + (answer ? "" : "  not done: " + answer.error().text));
        zone.on_change(answer, now);
        break;
      }
      case What::GetChange: return;
    }
    for (const std::string& note : zone.take_notes()) say("  " + note);
    wait_until(clock.steady() + std::chrono::milliseconds(300));
  }
}

Status work_on(const std::string& zone_id, const Route53Parts& parts,
               const std::map<std::string, route53::Desired>& wanted, Route53Command command) {
  route53::ZoneSettings settings;
  settings.zone_id = zone_id;
  settings.domain =
      zone_id == parts.publisher.zone_id && command != Route53Command::Purge ? parts.publisher.domain : std::string();
  settings.writer = parts.publisher.writer;
  settings.record_ttl = parts.publisher.record_ttl;
  settings.timing = parts.publisher.timing;
  settings.timing.settle = {};
  settings.timing.drift_scan_interval = {};
  settings.takes_over = true;
  Zone zone(settings);
  const route53::Moment now{real_clock().steady(), real_clock().now()};
  zone.leave(command == Route53Command::Purge);
  if (command != Route53Command::Purge) zone.want(wanted, now);
  say("hosted zone " + zone_id);
  drive(zone, *parts.api, command == Route53Command::Plan);
  if (!zone.trouble().empty()) return error(ErrorKind::Unavailable, zone.trouble());
  if (!zone.is_read()) return error(ErrorKind::Unavailable, "hosted zone " + zone_id + " could not be read");
  if (command == Route53Command::Plan) {
    const route53::Plan plan =
        make_plan({settings.writer.owner, zone.name(), settings.record_ttl}, zone.wanted(), zone.holdings());
    for (const auto& change : plan.changes) say(shown(change));
    if (plan.changes.empty()) say("  nothing to change");
  }
  for (const auto& [name, state] : zone.states()) {
    if (state.kind == route53::NameState::Kind::Conflict || state.kind == route53::NameState::Kind::Refused)
      say("  " + route53::shown_name(name) + ": " + state.reason);
  }
  const route53::ZoneFigures figures = zone.figures();
  say(fmt::format("  {} records, {} of them ours; {} to change, {} in conflict, {} refused", figures.records,
                  figures.owned, figures.pending, figures.conflicts, figures.refused));
  if (command == Route53Command::Purge && (figures.owned > 0 || zone.holdings().epoch))
    return error(ErrorKind::Unavailable, "records of ours are left in hosted zone " + zone_id);
  if (command == Route53Command::Sync && figures.pending > 0)
    return error(ErrorKind::Unavailable, "not everything could be published in hosted zone " + zone_id);
  return {};
}

}  // namespace

Result<std::optional<Route53Parts>> route53_parts(const ControlPlaneSettings& settings, const Environment& environment,
                                                  const Clock& clock, const std::string& instance_id,
                                                  const std::string& store_id) {
  const settings::Route53& given = settings.kmesh.runtime.aws.route53;
  if (!given.enabled) return std::nullopt;
  Route53Parts out;
  aws::ChainNeeds needs;
  needs.environment = aws::Environment(environment);
  needs.caller.fetch = aws::fetch_over_network();
  needs.caller.clock = &clock;
  needs.caller.timeout = std::chrono::seconds(5);
  MESH_TRY(needs.caller.addresses, aws::Addresses::from(needs.environment));
  const auto region = aws::find_own_region(needs);
  if (!region && region.error().kind == ErrorKind::Invalid) return with_context(region.error(), "Route 53");
  MESH_TRY(const aws::Endpoint endpoint, aws::route53_endpoint(region ? (*region)->partition : "aws"));
  auto keys = std::make_shared<aws::CredentialCache>(aws::make_credential_chain(needs), clock);
  out.api = std::make_unique<aws::Route53Client>(needs.caller, endpoint, [keys]() -> Result<aws::KeyPair> {
    MESH_TRY(aws::Credentials credentials, keys->get());
    return credentials.keys;
  });

  if (!given.hosted_zone_id.empty()) {
    auto id = aws::hosted_zone_id(given.hosted_zone_id);
    if (!id)
      return with_context(id.error(),
                          "kmesh.runtime.aws.route53.hostedZoneId (KMESH_RUNTIME_AWS_ROUTE53_HOSTED_ZONE_ID)");
    out.publisher.zone_id = out.names.zone_id = *id;
  }
  out.names.zone = settings.multizone.zone.name;
  out.names.domain = settings.dns_server.domain;
  out.publisher.domain = route53::record_name(settings.dns_server.domain);
  out.publisher.writer = {settings.multizone.zone.name, store_id, instance_id, 0};
  out.publisher.record_ttl =
      static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(given.record_ttl).count());
  out.publisher.timing.refresh_interval = given.refresh_interval;
  out.publisher.timing.retry_base_backoff = given.retry_base_backoff;
  out.publisher.timing.retry_max_times = given.retry_max_times;
  out.publisher.timing.retry_jitter_percent = given.retry_jitter_percent;
  out.publisher.timing.drift_scan_interval = given.drift_scan_interval;
  out.publisher.timing.random = [random = std::make_shared<std::minstd_rand>(std::random_device{}())] {
    return std::uniform_real_distribution<>(0, 1)(*random);
  };
  return std::optional<Route53Parts>(std::move(out));
}

Status run_route53_command(const ControlPlaneSettings& given, Route53Command command,
                           const std::vector<std::string>& more_zones) {
  ControlPlaneSettings settings = given;
  settings.kmesh.runtime.aws.route53.enabled = true;
  std::string store_id = "command";
  MESH_TRY(auto parts, route53_parts(settings, process_environment(), real_clock(), "command", store_id));
  std::map<std::string, std::map<std::string, route53::Desired>> by_zone;
  if (!parts->publisher.zone_id.empty()) by_zone[parts->publisher.zone_id];
  for (const std::string& zone : more_zones) {
    MESH_TRY(const std::string id, aws::hosted_zone_id(zone));
    by_zone[id];
  }
  Result<std::vector<WantedRecord>> wanted = wanted_records(settings, parts->names, store_id);
  if (!wanted && command != Route53Command::Purge) return with_context(wanted.error(), "reading the store");
  if (!wanted)
    say("the store cannot be read, so the hosted zones of generators are not known: " + wanted.error().message());
  parts->publisher.writer.store = store_id;
  for (const WantedRecord& record : wanted.value_or(std::vector<WantedRecord>())) {
    const Result<std::string> id = aws::hosted_zone_id(record.zone_id);
    if (id) by_zone[*id].emplace(route53::record_name(record.hostname), route53::Desired{record.address, record.owner});
  }
  if (by_zone.empty()) {
    return invalid("", "no hosted zone is known: set KMESH_RUNTIME_AWS_ROUTE53_HOSTED_ZONE_ID or give --zone");
  }
  Status out;
  for (const auto& [id, records] : by_zone) {
    Status done = work_on(id, *parts, records, command);
    if (done) continue;
    say("  " + done.error().message());
    out = std::move(done);
  }
  return out;
}

}  // namespace mesh
