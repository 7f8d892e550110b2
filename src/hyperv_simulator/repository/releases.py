"""Which release of Windows Server brought which class and property of root/virtualization/v2.

Source: the class definitions of builds 9600, 14393, 17763, 20348 and 26100, compared by HVWMI (``canonical.json``).
What is not in the tables is in every release, as far as that is known.
"""

from __future__ import annotations

from collections.abc import Mapping

_CLASSES: Mapping[int, str] = {
    2016: """
        CIM_CollectedMSEs CIM_Collection CIM_CollectionOfMSEs CIM_ElementView CIM_MemberOfCollection CIM_TPM CIM_View
        Msvm_AssignableDeviceDismountSettingData Msvm_AssignableDeviceService Msvm_CollectedCollections
        Msvm_CollectedReferencePoints Msvm_CollectedSnapshots Msvm_CollectedVirtualSystems
        Msvm_CollectionManagementService Msvm_CollectionReferencePointExportJob
        Msvm_CollectionReferencePointExportSettingData Msvm_CollectionReferencePointService
        Msvm_CollectionReferencePointSettingData Msvm_CollectionSettingData Msvm_CollectionSnapshotExportSettingData
        Msvm_CollectionSnapshotService Msvm_ComputerSystemSummaryInformation
        Msvm_EthernetSwitchHardwareOffloadSettingData Msvm_EthernetSwitchPortRdmaSettingData
        Msvm_EthernetSwitchPortTeamMappingSettingData Msvm_GpuPartition Msvm_GpuPartitionSettingData
        Msvm_GuestClusterInformation Msvm_GuestCommunicationService Msvm_GuestCommunicationServiceSettingData
        Msvm_GuestServiceInterfaceSettingDataComponent Msvm_ManagementCollection Msvm_MoveUnmanagedVhd
        Msvm_NetworkConnectionDiagnosticInformation Msvm_NetworkConnectionDiagnosticSettingData Msvm_PartitionableGpu
        Msvm_PciExpress Msvm_PciExpressSettingData Msvm_ReferencePointCollection Msvm_ReferencePointOfVirtualSystem
        Msvm_ReferencePointOfVirtualSystemCollection Msvm_ResourceDependentOnResource Msvm_SecurityElement
        Msvm_SecurityService Msvm_SecuritySettingData Msvm_SerialPortSettingData Msvm_ServiceOfVssComponent
        Msvm_SnapshotCollection Msvm_SnapshotOfVirtualSystemCollection Msvm_SummaryInformationBase
        Msvm_SyntheticDisplayControllerSettingData Msvm_SyntheticKeyboard Msvm_SystemComponentSettingData Msvm_TPM
        Msvm_VHDSetInformation Msvm_VHDSnapshotInformation Msvm_VirtualEthernetSwitchNicTeamingMember
        Msvm_VirtualEthernetSwitchNicTeamingSettingData Msvm_VirtualMachineToDisks Msvm_VirtualSystemCollection
        Msvm_VirtualSystemReferencePoint Msvm_VirtualSystemReferencePointExportJob
        Msvm_VirtualSystemReferencePointExportSettingData Msvm_VirtualSystemReferencePointService
        Msvm_VirtualSystemReferencePointSettingData Msvm_VirtualSystemSnapshotSettingData Msvm_VssService
    """,
    2019: """
        Msvm_Battery Msvm_BatterySettingData Msvm_FlexIoDevice Msvm_FlexIoDeviceSettingData
        Msvm_PersistentMemoryController Msvm_StorageSettingData
    """,
    2022: """
        Msvm_NumaNodeTopology Msvm_VirtualSystemUpgradeSettingData
    """,
}
# A line is a class and those of its properties that came later than the class itself.
_PROPERTIES: Mapping[int, str] = {
    2016: """
        Msvm_BootSourceSettingData OptionalData
        Msvm_EthernetPortAllocationSettingData CompartmentGuid LastKnownSwitchName
        Msvm_EthernetSwitchHardwareOffloadData DefaultQueueVmmqEnabled DefaultQueueVmmqQueuePairs
        Msvm_EthernetSwitchHardwareOffloadData DefaultQueueVrssEnabled PacketDirectInUse
        Msvm_EthernetSwitchPortOffloadData VmmqEnabled VmmqQueuePairs VrssEnabled
        Msvm_EthernetSwitchPortOffloadSettingData PacketDirectModerationCount PacketDirectModerationInterval
        Msvm_EthernetSwitchPortOffloadSettingData PacketDirectNumProcs VmmqEnabled VmmqQueuePairs VrssEnabled
        Msvm_EthernetSwitchPortSecuritySettingData EnableFixSpeed10G Reserved
        Msvm_GuestServiceInterfaceComponentSettingData DefaultEnabledStatePolicy
        Msvm_Physical3dGraphicsProcessor CompatibleForVirtualization DriverModelVersion
        Msvm_ProcessorSettingData CpuGroupId EnableHostResourceProtection ExposeVirtualizationExtensions
        Msvm_ProcessorSettingData HideHypervisorPresent HwThreadsPerCore
        Msvm_SettingsDefineCapabilities SupportStatement
        Msvm_StorageAllocationSettingData CachingMode IgnoreFlushes SnapshotId StorageQoSPolicyID
        Msvm_StorageAllocationSettingData WriteHardeningMethod
        Msvm_SummaryInformation Shielded ThumbnailImageHeight ThumbnailImageWidth
        Msvm_Synthetic3DDisplayControllerSettingData VRAMSizeBytes
        Msvm_SyntheticEthernetPortSettingData AllowPacketDirect DeviceNamingEnabled
        Msvm_VirtualEthernetSwitchSettingData PacketDirectEnabled TeamingEnabled
        Msvm_VirtualHardDiskSettingData ParentIdentifier ParentTimestamp
        Msvm_VirtualHardDiskState Timestamp
        Msvm_VirtualSystemExportSettingData BackupIntent DifferentialBackupBase ExportForLiveMigration
        Msvm_VirtualSystemManagementServiceSettingData DefaultVirtualHardDiskCachingMode
        Msvm_VirtualSystemMigrationSettingData RemoveSourceUnmanagedVhds UnmanagedVhds
        Msvm_VirtualSystemSettingData AutomaticCriticalErrorAction AutomaticCriticalErrorActionTimeout
        Msvm_VirtualSystemSettingData ConsoleMode GuestControlledCacheTypes HighMmioGapSize LockOnDisconnect
        Msvm_VirtualSystemSettingData SecureBootTemplateId UserSnapshotType
    """,
    2019: """
        Msvm_BIOSElement EnableHibernation
        Msvm_CollectionReferencePointExportJob ExportedGuestStateFilePaths
        Msvm_ComputerSystem HwThreadsPerCoreRealized
        Msvm_EthernetSwitchHardwareOffloadData DefaultQueueVrssExcludePrimaryProcessor
        Msvm_EthernetSwitchHardwareOffloadData DefaultQueueVrssIndependentHostSpreading
        Msvm_EthernetSwitchHardwareOffloadData DefaultQueueVrssMinQueuePairs DefaultQueueVrssQueueSchedulingMode
        Msvm_EthernetSwitchHardwareOffloadSettingData DefaultQueueVrssExcludePrimaryProcessor
        Msvm_EthernetSwitchHardwareOffloadSettingData DefaultQueueVrssIndependentHostSpreading
        Msvm_EthernetSwitchHardwareOffloadSettingData DefaultQueueVrssMinQueuePairs
        Msvm_EthernetSwitchHardwareOffloadSettingData DefaultQueueVrssQueueSchedulingMode SoftwareRscEnabled
        Msvm_EthernetSwitchPortOffloadData VrssExcludePrimaryProcessor VrssIndependentHostSpreading
        Msvm_EthernetSwitchPortOffloadData VrssMinQueuePairs VrssQueueSchedulingMode
        Msvm_EthernetSwitchPortOffloadData VrssVmbusChannelAffinityPolicy
        Msvm_EthernetSwitchPortOffloadSettingData VrssExcludePrimaryProcessor VrssIndependentHostSpreading
        Msvm_EthernetSwitchPortOffloadSettingData VrssMinQueuePairs VrssQueueSchedulingMode
        Msvm_EthernetSwitchPortOffloadSettingData VrssVmbusChannelAffinityPolicy
        Msvm_KvpExchangeComponentSettingData DisableHostKVPItems
        Msvm_MemorySettingData HugePagesEnabled SgxEnabled SgxLaunchControlDefault SgxLaunchControlMode SgxSize
        Msvm_PciExpressSettingData VirtualFunctions
        Msvm_ProcessorSettingData DisableSpeculationControls EnablePerfmonLbr EnablePerfmonPebs EnablePerfmonPmu
        Msvm_SecuritySettingData BindToHostTpm
        Msvm_SummaryInformation HypervisorPartitionId
        Msvm_SyntheticEthernetPortSettingData InterruptModeration MediaType NumaAwarePlacement
        Msvm_VirtualHardDiskSettingData DataAlignment IsPmemCompatible PmemAddressAbstractionType
        Msvm_VirtualSystemExportSettingData DisableDifferentialOfIgnoredStorage ExcludedVirtualHardDisks
        Msvm_VirtualSystemManagementServiceSettingData HypervisorRootSchedulerEnabled
        Msvm_VirtualSystemMigrationSettingData AllowOverwriteExistingFile AvoidRemovingVHDs CPUCappingMagnitude
        Msvm_VirtualSystemMigrationSettingData CancelIfBlackoutThresholdExceeded
        Msvm_VirtualSystemReferencePointExportJob ExportedGuestStateFilePath
        Msvm_VirtualSystemSettingData Architecture AutomaticSnapshotsEnabled EnableHibernation
        Msvm_VirtualSystemSettingData EnhancedSessionTransportType GuestStateDataRoot GuestStateFile
        Msvm_VirtualSystemSettingData HighMmioGapBase IsAutomaticSnapshot TurnOffOnGuestRestart
    """,
    2022: """
        Msvm_BIOSElement BootPciExpress BootPciExpressInstanceFilter
        Msvm_EthernetPortAllocationSettingData PortName
        Msvm_EthernetSwitchHardwareOffloadSettingData RscOffloadEnabled
        Msvm_EthernetSwitchPortOffloadData RscEnabled
        Msvm_EthernetSwitchPortOffloadSettingData RscEnabled
        Msvm_EthernetSwitchPortTeamMappingSettingData DisableOnFailover
        Msvm_FlexIoDeviceSettingData PhysicalNumaNode
        Msvm_GpuPartition CurrentCompute CurrentDecode CurrentEncode CurrentVRAM
        Msvm_GpuPartitionSettingData VirtualSystemIdentifiers
        Msvm_Memory MemoryEncryption
        Msvm_MemorySettingData MemoryEncryptionPolicy
        Msvm_NumaNode CurrentlyAssignedVirtualProcessors
        Msvm_PciExpressSettingData AllowDirectTranslatedP2P NumaAwarePlacement
        Msvm_ProcessorSettingData AllowACountMCount ApicMode CpuBrandString EnableLegacyApicMode
        Msvm_ProcessorSettingData EnablePageShattering EnablePerfmonIpt LimitProcessorFeaturesMode
        Msvm_ProcessorSettingData MaxClusterCountPerSocket MaxProcessorCountPerL3 PerfCpuFreqCapMhz
        Msvm_ProcessorSettingData ProcessorFeatureSet
        Msvm_SecuritySettingData AppContainerLaunchOptOut
        Msvm_SyntheticEthernetPortSettingData AllowDirectTranslatedP2P
        Msvm_VirtualEthernetSwitchSettingData AllowNetLbfoTeams
        Msvm_VirtualSystemExportSettingData GuestDebugStateFilePath
        Msvm_VirtualSystemMigrationSettingData EnableVhdCompression
        Msvm_VirtualSystemSettingData BootPciExpress BootPciExpressInstanceFilter
        Msvm_VirtualSystemSettingData ClusterWideNodeCapabilitiesValidationMode GuestStateIsolationEnabled
        Msvm_VirtualSystemSettingData GuestStateIsolationType NumaNodeTopologyArray VirtualSlitType
        Msvm_VirtualSystemUpgradeSettingData TargetVersion
    """,
    2025: """
        Msvm_BIOSElement WatchdogEnabled
        Msvm_FlexIoDeviceSettingData TargetVtl
        Msvm_GpuPartitionSettingData NumaAwarePlacement
        Msvm_MemorySettingData MemoryAccessTrackingPolicy
        Msvm_PciExpressSettingData TargetVtl
        Msvm_ProcessorSettingData EnablePerfmonArchPmu EnableSocketTopology EnlightenmentSet
        Msvm_ProcessorSettingData ExtendedVirtualizationExtensions L3CacheWays L3ProcessorDistributionPolicy
        Msvm_ProcessorSettingData MaxHwIsolatedGuests PhysicalAddressWidth
        Msvm_ResourceAllocationSettingData TargetVtl
        Msvm_VirtualEthernetSwitchSettingData BypassExtensionStack RequiredExtensionIds
        Msvm_VirtualSystemManagementServiceSettingData HypervisorSnpStatus HypervisorTdxStatus
        Msvm_VirtualSystemMigrationSettingData AdvancedOptions
        Msvm_VirtualSystemSettingData FirmwareFile FirmwareParameters GuestFeatureSet GuestStateIsolationMode
        Msvm_VirtualSystemSettingData MemoryHostingJobObjectName VMBusMessageRedirection Vtl2AddressRangeBase
        Msvm_VirtualSystemSettingData Vtl2AddressRangeSize Vtl2AddressSpaceConfigurationMode
        Msvm_VirtualSystemSettingData Vtl2MmioAddressRangeSize WatchdogEnabled WorkerJobObjectName
    """,
}
# Gone after this release.
_LAST: Mapping[int, str] = {
    2012: """
        Msvm_ResourcePoolComponent Msvm_ResourcePoolRegistration Msvm_ResourceTypeDefinition
        Msvm_VirtualSystemResourceComponent Msvm_VirtualSystemResourceRegistration Msvm_VirtualizationComponent
        Msvm_VirtualizationComponentRegistration
    """,
}


def _classes(table: Mapping[int, str]) -> dict[str, int]:
    return {name.lower(): release for release, text in table.items() for name in text.split()}


def _properties() -> dict[str, int]:
    found: dict[str, int] = {}
    for release, text in _PROPERTIES.items():
        for line in text.splitlines():
            class_name, *names = line.split() or [""]
            found |= {f"{class_name}.{name}".lower(): release for name in names}
    return found


# Class, or Class.Property, in lower case -> the first release that has it.
FIRST_RELEASE: Mapping[str, int] = {**_classes(_CLASSES), **_properties()}
# Class -> the last release that has it.
LAST_RELEASE: Mapping[str, int] = _classes(_LAST)
