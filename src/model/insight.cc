#include "model/insight.h"

#include "model/zone.h"

namespace mesh {

const Kind kDataplaneInsightKind = describe_kind<DataplaneInsight>({.name = "DataplaneInsight",
                                                                    .path = "dataplane-insights",
                                                                    .singular = "Dataplane Insight",
                                                                    .plural = "Dataplane Insights",
                                                                    .layout = Layout::Flat,
                                                                    .read_only = true,
                                                                    .include_in_federation = false});

const Kind kZoneKind = describe_kind<Zone>({.name = "Zone",
                                            .path = "zones",
                                            .short_name = "z",
                                            .singular = "Zone",
                                            .plural = "Zones",
                                            .scope = Scope::Global,
                                            .layout = Layout::Flat,
                                            .include_in_federation = false});

const Kind kZoneInsightKind = describe_kind<ZoneInsight>({.name = "ZoneInsight",
                                                          .path = "zone-insights",
                                                          .singular = "Zone Insight",
                                                          .plural = "Zone Insights",
                                                          .scope = Scope::Global,
                                                          .layout = Layout::Flat,
                                                          .read_only = true,
                                                          .include_in_federation = false});

}  // namespace mesh
